/** A shell at work: its session, where in the tree it stands, and what its commands use in common. */
import { setMaxListeners } from 'node:events';
import { type Client, type ConnectOptions, connect, type Watch, type WatchEvent } from '@treekeeper/client';
import type { Arguments } from './arguments.ts';
import type { CommandSyntax } from './command.ts';
import { EXIT, ShellError } from './explain.ts';
import type { History } from './history.ts';
import { paint, type ShellIo } from './io.ts';
import { Output, type OutputFormat } from './output.ts';
import { resolvePath } from './paths.ts';
import { Progress } from './progress.ts';
import { eventJson, eventText, type WatchOrigin } from './watch-events.ts';

/** A command: one file in commands/ and one row of table.ts. */
export interface ShellCommand extends CommandSyntax {
  run(shell: Shell, args: Arguments): Promise<void>;
}

export interface ShellOptions {
  readonly io: ShellIo;
  readonly commands: readonly ShellCommand[];
  readonly history: History;
  readonly servers: string;
  readonly connect: ConnectOptions;
  readonly output: OutputFormat;
}

/** Of one signal hang all requests that a command has under way: Node need not warn of their number. */
function newInterruption(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

export class Shell {
  readonly io: ShellIo;
  readonly commands: readonly ShellCommand[];
  readonly history: History;
  readonly output: Output;
  readonly connectOptions: ConnectOptions;
  cwd = '/';
  printsWatches = true;
  /** Set by `quit`. */
  ended = false;
  /** Persistent watches that addWatch has set, by mode and path. */
  readonly watches = new Map<string, Watch>();
  /** Prints between commands; the line editor puts its prompt back behind it. */
  announce: (print: () => void) => void = (print) => print();
  /** Hands the terminal to a program that is run, where somebody edits lines. */
  lendTerminal: <T>(run: () => Promise<T>) => Promise<T> = (run) => run();
  #servers: string;
  #client: Client | null = null;
  #interruption = newInterruption();

  constructor(options: ShellOptions) {
    this.io = options.io;
    this.commands = options.commands;
    this.history = options.history;
    this.connectOptions = options.connect;
    this.output = new Output(options.output, options.io);
    this.#servers = options.servers;
  }

  /** The connect string of the present session, or of the last one. */
  get servers(): string {
    return this.#servers;
  }

  /** @throws ShellError when there is no session */
  get client(): Client {
    if (this.#client === null) {
      throw new ShellError('not connected', `connect begins a session with ${this.#servers}`, EXIT.connection);
    }
    return this.#client;
  }

  get clientOrNull(): Client | null {
    return this.#client;
  }

  /** Ends the session there is, and begins one with these servers. Rejects as `connect` of the client does. */
  async connect(servers: string = this.#servers): Promise<void> {
    await this.disconnect();
    this.#servers = servers;
    this.#client = await connect(servers, { ...this.connectOptions, signal: this.signal });
  }

  async disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    this.watches.clear();
    await client?.close();
  }

  /** Of the running command: aborted by Ctrl-C. */
  get signal(): AbortSignal {
    return this.#interruption.signal;
  }

  /** Ctrl-C. */
  interrupt(): void {
    this.#interruption.abort(new ShellError('interrupted', null, EXIT.interrupted));
  }

  /** Where somebody talks with the shell, before each command; else an interruption ends it all. */
  forgetInterruption(): void {
    if (this.signal.aborted) {
      this.#interruption = newInterruption();
    }
  }

  resolve(text: string): string {
    return resolvePath(this.cwd, text);
  }

  /** For the person at the terminal, not for the reader of the output. */
  note(text: string): void {
    this.io.err(`${paint(this.io.colour, 'dim', text)}\n`);
  }

  /**
   * Shows how far long work has come, and takes that away before anything else is printed.
   *
   * @param total of the nodes that are to be done; null: not known
   */
  async withProgress<T>(label: string, total: number | null, work: (step: (count?: number) => void) => Promise<T>) {
    using progress = new Progress(this.io, label, total);
    return await work((count) => progress.step(count));
  }

  /** Watches that zkCli's commands leave with -w: on data (or that there is a node), and on children. */
  readonly onDataWatch = (event: WatchEvent): void => this.tellEvent(event, 'data');
  readonly onChildWatch = (event: WatchEvent): void => this.tellEvent(event, 'child');

  tellEvent(event: WatchEvent, origin: WatchOrigin): void {
    if (this.printsWatches && event.type !== 'lost') {
      this.announce(() => this.output.emit(eventJson(event, origin), eventText(event, origin)));
    }
  }
}
