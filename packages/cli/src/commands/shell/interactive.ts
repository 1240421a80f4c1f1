/** The shell as one talks with it: a prompt, line editing, history, Tab, Ctrl-C. */
import { createInterface, type Interface } from 'node:readline';
import { type Completion, complete } from './completion.ts';
import { EXIT } from './explain.ts';
import { paint } from './io.ts';
import { fail, isSecret, remember, runLine } from './run.ts';
import type { Shell } from './shell.ts';

const CLEAR_LINE = '\r\u001b[K';
const HISTORY_MAX = 1000;

/** Runs until `quit`, Ctrl-D, or Ctrl-C on an empty line. Answers the exit code. */
export async function converse(shell: Shell): Promise<number> {
  const { io } = shell;
  const editor = createInterface({
    input: io.input,
    output: io.output,
    terminal: true,
    history: [...shell.history.lines].reverse(),
    historySize: HISTORY_MAX,
    removeHistoryDuplicates: true,
    completer: (line: string, done: (error: null, result: Completion) => void) => {
      complete(shell, line).then(
        (result) => done(null, result),
        () => done(null, [[], line]),
      );
    },
  });
  const conversation = new Conversation(shell, editor);
  await greet(shell);
  return conversation.run();
}

async function greet(shell: Shell): Promise<void> {
  try {
    await shell.connect();
    const { sessionId } = shell.client;
    const session = `0x${BigInt.asUintN(64, sessionId).toString(16)}`;
    shell.note(`Connected to ${shell.servers}, session ${session}. Tab completes, help helps, Ctrl-D leaves.`);
  } catch (error) {
    await fail(shell, error);
  }
}

class Conversation {
  readonly #shell: Shell;
  readonly #editor: Interface;
  /** Lines that were typed or pasted while a command ran. */
  readonly #waiting: string[] = [];
  #running = false;
  #lent = false;
  #end: () => void = () => {};

  constructor(shell: Shell, editor: Interface) {
    this.#shell = shell;
    this.#editor = editor;
    // A line with a password in it is not for the arrow keys either.
    editor.on('history', (lines: string[]) => {
      if (lines.length > 0 && isSecret(shell, lines[0])) {
        lines.shift();
      }
    });
    editor.on('line', (line) => this.#onLine(line));
    editor.on('SIGINT', () => this.#onInterrupt());
    editor.on('close', () => this.#end());
    shell.announce = (print) => this.#announce(print);
    shell.lendTerminal = (run) => this.#lend(run);
  }

  async run(): Promise<number> {
    const ended = new Promise<void>((resolve) => {
      this.#end = resolve;
    });
    this.#follow();
    this.#prompt();
    await ended;
    this.#shell.announce = () => {};
    if (!this.#shell.ended) {
      this.#shell.io.out('\n');
    }
    return EXIT.ok;
  }

  #onLine(line: string): void {
    this.#waiting.push(line);
    if (!this.#running) {
      this.#runWaiting().catch((error: unknown) => {
        this.#editor.close();
        throw error; // a bug of ours
      });
    }
  }

  async #runWaiting(): Promise<void> {
    this.#running = true;
    for (let line = this.#waiting.shift(); line !== undefined; line = this.#waiting.shift()) {
      this.#shell.forgetInterruption();
      remember(this.#shell, line);
      await runLine(this.#shell, line);
      if (this.#shell.ended) {
        this.#editor.close();
        return;
      }
      this.#follow();
    }
    this.#running = false;
    this.#prompt();
  }

  /** With a command running it ends the command; else it drops the line, and leaves if there is none. */
  #onInterrupt(): void {
    if (this.#running) {
      this.#shell.interrupt();
    } else if (this.#editor.line === '') {
      this.#editor.close();
    } else {
      this.#shell.io.out('^C\n');
      this.#editor.write(null, { ctrl: true, name: 'e' });
      this.#editor.write(null, { ctrl: true, name: 'u' });
      this.#prompt();
    }
  }

  #prompt(): void {
    const { shell, state } = { shell: this.#shell, state: this.#shell.clientOrNull?.state ?? 'closed' };
    const where = paint(shell.io.outColour, 'cyan', serversShort(shell.servers));
    const note = state === 'connected' ? '' : ` ${paint(shell.io.outColour, 'red', `(${state})`)}`;
    this.#editor.setPrompt(`${where}${note} ${paint(shell.io.outColour, 'bold', shell.cwd)}> `);
    this.#editor.prompt(true);
  }

  /** Prints above the line that is being typed. */
  #announce(print: () => void): void {
    if (this.#running || this.#lent) {
      print();
      return;
    }
    this.#shell.io.out(CLEAR_LINE);
    print();
    this.#prompt();
  }

  #followed: unknown = null;

  /** Tells when the connection is lost, is back, or the session is gone. */
  #follow(): void {
    const client = this.#shell.clientOrNull;
    if (client === null || client === this.#followed) {
      return;
    }
    this.#followed = client;
    const run = async (): Promise<void> => {
      let known = client.state;
      for await (const state of client.states()) {
        if (client !== this.#shell.clientOrNull || state === known) {
          continue;
        }
        known = state;
        if (state !== 'closed') {
          this.#announce(() => this.#shell.note(`connection: ${state}`));
        }
      }
    };
    run().catch(() => {}); // its end is told by the next command
  }

  async #lend<T>(run: () => Promise<T>): Promise<T> {
    const input = this.#shell.io.input as NodeJS.ReadStream;
    this.#lent = true;
    this.#editor.pause();
    input.setRawMode?.(false);
    try {
      return await run();
    } finally {
      input.setRawMode?.(true);
      this.#editor.resume();
      this.#lent = false;
    }
  }
}

/** The first of them and how many more, so that there is room to type: `zk1:2181+2/root`. */
export function serversShort(servers: string): string {
  const [first, ...others] = servers.split(',');
  const root = /\/.*$/.exec(others.at(-1) ?? '')?.[0] ?? '';
  return others.length === 0 ? servers : `${first}+${others.length}${root}`;
}
