/** What an HTTP command is (client-protocol.md §13). */
import type { JsonValue } from '../json.ts';
import type { RateLimiter } from '../rate-limiter.ts';
import type { ServerControl, ServerView, SnapshotFile } from '../view.ts';

export interface CommandSettings {
  readonly snapshotEnabled: boolean;
  readonly restoreEnabled: boolean;
  /** Without the zxid inside a snapshot neither taking nor restoring one by command can be right. */
  readonly serializeLastProcessedZxidEnabled: boolean;
}

export interface CommandContext {
  readonly view: ServerView;
  readonly control: ServerControl;
  readonly settings: CommandSettings;
  readonly snapshotLimiter: RateLimiter;
  readonly restoreLimiter: RateLimiter;
  /** Monotonic milliseconds, right now (the view's clock stands still between turns). */
  readonly nowMs: () => number;
  readonly query: URLSearchParams;
  /** The request's body; for POST commands. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface CommandAnswer {
  /** 200 where it is not given. */
  readonly status?: number;
  /** An `error` among them is printed where it stands, before `command`. */
  readonly fields?: { readonly [key: string]: JsonValue };
  readonly headers?: { readonly [name: string]: string };
  /** Sent as it is instead of the JSON. */
  readonly file?: SnapshotFile;
}

export interface Command {
  readonly name: string;
  readonly aliases: readonly string[];
  /** Refused while the tree is not served. */
  readonly needsServer: boolean;
  readonly method: 'GET' | 'POST';
  /** Needs an Authorization with every permission on the root. */
  readonly needsAuthorization: boolean;
  readonly run: (context: CommandContext) => CommandAnswer | Promise<CommandAnswer>;
}

/** A command that reads: its fields, and nothing else to say. */
export function query(
  name: string,
  aliases: readonly string[],
  fields: (view: ServerView) => { readonly [key: string]: JsonValue },
): Command {
  return {
    name,
    aliases,
    needsServer: true,
    method: 'GET',
    needsAuthorization: false,
    run: ({ view }) => ({ fields: fields(view) }),
  };
}

/** A command that acts and has no fields. */
export function action(name: string, aliases: readonly string[], act: (control: ServerControl) => void): Command {
  return {
    name,
    aliases,
    needsServer: true,
    method: 'GET',
    needsAuthorization: false,
    run: ({ control }) => {
      act(control);
      return {};
    },
  };
}

/** The same command, answered even while the tree is not served. */
export function withoutServer(command: Command): Command {
  return { ...command, needsServer: false };
}
