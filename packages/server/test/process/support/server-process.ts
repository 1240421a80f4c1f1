/** A server as operators run it: a process of its own, on a zoo.cfg, in a directory of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

const COMMAND = fileURLToPath(new URL('../../../../cli/bin/treekeeper.js', import.meta.url));
/** A loaded machine may take long; nothing here waits longer than it must. */
const PATIENCE_MS = 40_000;

export type Settings = Readonly<Record<string, string | number>>;

/** Settings that every test wants: ports that are free, and a log that is not megabytes. */
const BASE: Settings = { clientPort: 0, tickTime: 2000, '4lw.commands.whitelist': '*', preAllocSize: 64 };

const directories: string[] = [];
const running = new Set<ChildProcess>();

afterAll(() => {
  for (const child of running) {
    child.kill('SIGKILL');
  }
  for (const directory of directories.splice(0)) {
    rmSync(directory, { recursive: true, force: true });
  }
});

/** An empty directory that goes with the tests of the file. */
export function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'treekeeper-test-'));
  directories.push(directory);
  return directory;
}

export interface StartOptions {
  /** Where zoo.cfg and, unless the settings say otherwise, the data are. */
  readonly directory?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What it says when it is ready; ` ready: ` where that is left out. */
  readonly isReady?: RegExp;
  /** Files and sockets that it may have open. */
  readonly filesMax?: number;
  /** zoo.cfg stays as it is if there is one: the server may have written to it. */
  readonly keepsConfig?: boolean;
}

function writeConfig(settings: Settings, directory: string): string {
  const all: Settings = { ...BASE, dataDir: join(directory, 'data'), 'log.dir': directory, ...settings };
  const file = join(directory, 'zoo.cfg');
  writeFileSync(
    file,
    Object.entries(all)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  return file;
}

function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, VITEST: __, ...rest } = process.env;
  return { ...rest, NO_COLOR: '1', ...more };
}

/** Runs `treekeeper` to its end. */
export function runToEnd(args: readonly string[], options: { cwd?: string; env?: Record<string, string> } = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], {
    encoding: 'utf8',
    cwd: options.cwd ?? newDirectory(),
    env: environment(options.env),
    timeout: PATIENCE_MS,
  });
  return { status, stdout, stderr };
}

/** Runs a server that is expected to end by itself. */
export function runServerToEnd(settings: Settings, { directory = newDirectory(), ...options }: StartOptions = {}) {
  return runToEnd(['server', writeConfig(settings, directory), ...(options.args ?? [])], { cwd: directory });
}

export class ServerProcess {
  readonly directory: string;
  /** Everything that it has written to standard output and standard error. */
  output = '';
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | NodeJS.Signals | null>;
  #wake: () => void = () => {};
  #ended = false;

  private constructor(args: readonly string[], { directory, env, filesMax }: StartOptions & { directory: string }) {
    this.directory = directory;
    const command = [process.execPath, COMMAND, ...args];
    const [program, ...rest] =
      filesMax === undefined ? command : ['/bin/sh', '-c', `ulimit -n ${filesMax}; exec "$0" "$@"`, ...command];
    this.#child = spawn(program, rest, { cwd: directory, env: environment(env) });
    running.add(this.#child);
    const onOutput = (chunk: Buffer): void => {
      this.output += chunk.toString();
      this.#wake();
    };
    this.#child.stdout?.on('data', onOutput);
    this.#child.stderr?.on('data', onOutput);
    this.#exit = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#ended = true;
        running.delete(this.#child);
        this.#wake();
        resolve(code ?? signal);
      });
    });
  }

  /** Starts a server and waits until it is ready. */
  static async start(settings: Settings = {}, options: StartOptions = {}): Promise<ServerProcess> {
    const { directory = newDirectory(), args = [], keepsConfig = false } = options;
    const kept = join(directory, 'zoo.cfg');
    const file = keepsConfig && existsSync(kept) ? kept : writeConfig(settings, directory);
    const command = ['server', file, ...args];
    return await ServerProcess.startCommand(command, { ...options, directory });
  }

  static async startCommand(args: readonly string[], options: StartOptions = {}): Promise<ServerProcess> {
    const server = new ServerProcess(args, { directory: newDirectory(), ...options });
    await server.waitFor(options.isReady ?? / ready: .*\n/);
    return server;
  }

  /** Waits until the output has what is looked for. */
  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const match = pattern.exec(this.output);
      if (match !== null) {
        return match;
      }
      if (this.#ended || Date.now() > deadline) {
        throw new Error(`${this.#ended ? 'it ended' : 'time is up'} without ${pattern}:\n${this.output}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get port(): number {
    return this.#portAfter('ready: (?:.*, )?clients \\S+:');
  }

  get securePort(): number {
    return this.#portAfter('TLS clients \\S+:');
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${this.#portAfter('admin https?://\\S+?:')}/commands`;
  }

  get metricsUrl(): string {
    return `http://127.0.0.1:${this.#portAfter('metrics https?://\\S+?:')}/metrics`;
  }

  #portAfter(prefix: string): number {
    const match = new RegExp(`${prefix}(\\d+)`).exec(this.output);
    if (match === null) {
      throw new Error(`no port after ${prefix}:\n${this.output}`);
    }
    return Number(match[1]);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Whoever reads the output goes away. */
  closeOutput(): void {
    this.#child.stdout?.destroy();
  }

  /** Its exit code, or the signal that ended it. */
  get ended(): Promise<number | NodeJS.Signals | null> {
    return this.#exit;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals | null> {
    this.kill(signal);
    return await this.#exit;
  }
}
