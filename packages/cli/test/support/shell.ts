/** Runs `treekeeper shell` inside the test, as somebody would by pipe. */
import { Readable } from 'node:stream';
import type { TestServer } from '@treekeeper/testing';
import { expect } from 'vitest';
import type { ShellIo } from '../../src/commands/shell/io.ts';
import { shell } from '../../src/commands/shell.ts';
import { UsageError } from '../../src/terminal.ts';

export interface ShellResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface ShellRun {
  /** What comes on standard input; a text ends with it. */
  readonly input?: string | Readable;
  readonly env?: Readonly<Record<string, string>>;
  readonly colour?: boolean;
  /** Told each piece that is printed. */
  readonly onOutput?: (piece: string) => void;
  readonly onError?: (piece: string) => void;
}

export async function runShell(args: readonly string[], options: ShellRun = {}): Promise<ShellResult> {
  let out = '';
  let err = '';
  const { env = {}, colour = false } = options;
  const terminal = {
    out: (text: string): void => {
      out += text;
      options.onOutput?.(text);
    },
    err: (text: string): void => {
      err += text;
      options.onError?.(text);
    },
    colour,
    env,
  };
  const io: ShellIo = {
    ...terminal,
    input: options.input instanceof Readable ? options.input : Readable.from([options.input ?? '']),
    output: process.stdout,
    outColour: colour,
    errIsTerminal: false,
  };
  try {
    return { code: await shell(args, terminal, io), out, err };
  } catch (error) {
    if (error instanceof UsageError) {
      return { code: 2, out, err: error.message };
    }
    throw error;
  }
}

/** Shells that talk to one server. */
export class Shells {
  readonly #server: TestServer;

  constructor(server: TestServer) {
    this.#server = server;
  }

  /** Runs lines in one session, all of them. */
  lines(input: string, options: ShellRun = {}): Promise<ShellResult> {
    return runShell(['-s', this.#server.connectString, '--keep-going'], { ...options, input });
  }

  /** Lines which must all succeed and complain of nothing; answers what they print. */
  async ok(input: string, options: ShellRun = {}): Promise<string> {
    const { code, out, err } = await this.lines(input, options);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    return out;
  }

  /** Runs one command from the command line. */
  one(...args: string[]): Promise<ShellResult> {
    return runShell(['-s', this.#server.connectString, ...args]);
  }

  async json(...args: string[]): Promise<unknown> {
    const { code, out, err } = await this.one('-o', 'json', ...args);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    return JSON.parse(out);
  }

  /** As it was at the beginning. */
  async clear(): Promise<void> {
    const names = (await this.json('ls', '/')) as string[];
    const deletions = names.filter((name) => name !== 'zookeeper').map((name) => `deleteall /${name}`);
    await this.lines(['addauth digest u:p', 'setAcl / world:anyone:cdrwa', ...deletions].join('\n'));
  }
}
