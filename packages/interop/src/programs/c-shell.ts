import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

const SHELL_MS_MAX = 60_000;

/** Commands of cli_mt, all pipelined, each with a piece of what it prints. */
export const cScript: readonly (readonly [command: string, expected: string])[] = [
  ['create /c', '[/c]: rc = 0\n\tname = /c\n'],
  ['create /c', '[/c]: rc = -110'],
  ['create2 /c/two', '[/c/two]: rc = 0\n\tname = /c/two\n'],
  ['create +e /c/e', 'name = /c/e\n'],
  ['create +s /c/s-', 'name = /c/s-0000000002\n'],
  ['create +es /c/es-', 'name = /c/es-0000000003\n'],
  ['create +c /c/container', 'name = /c/container\n'],
  ['create +t=100000 /c/ttl', 'name = /c/ttl\n'],
  ['set /c some-data', '/c: rc = 0 Stat:'],
  ['get /c', 'value_len = 9\nsome-data\n'],
  ['get /none', '/none: rc = -101'],
  ['exists /none', 'Error -101 for /none'],
  ['sync /c', '[/c]: rc = 0'],
  ['config', '/zookeeper/config: rc = 0'],
  ['delete /c/two', '/c/two: rc = 0'],
  ['delete /c', '/c: rc = -111'],
  ['wexists /c', ''],
  ['set /c changed', ''],
  ['get /end', '/end: rc = -101'],
];

/** cli_mt as a process. */
export class CShell {
  /** What it has printed so far. */
  text = '';
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #ended: Promise<unknown>;

  /**
   * @param hosts as cli_mt takes them: `127.0.0.1:2181,127.0.0.1:2182`
   * @param lifeMsMax it is killed after so long
   */
  constructor(hosts: string, lifeMsMax: number) {
    const command = `exec stdbuf -oL /usr/lib/zookeeper/bin/cli_mt -h ${hosts} 2>&1`;
    this.#child = spawn('sh', ['-c', command], { stdio: ['pipe', 'pipe', 'inherit'], timeout: lifeMsMax });
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.text += chunk.toString();
    });
    this.#ended = new Promise((done) => this.#child.once('close', done));
  }

  send(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Waits until `pattern` is in what it has printed from `from` on; null: it does not come. */
  async seen(pattern: RegExp, from = 0): Promise<RegExpExecArray | null> {
    for (let i = 0; i < SHELL_MS_MAX / 50; i++) {
      const match = pattern.exec(this.text.slice(from));
      if (match !== null) {
        return match;
      }
      await sleep(50);
    }
    return null;
  }

  async quit(): Promise<void> {
    this.#child.stdin.end('quit\n');
    await this.#ended;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** What cli_mt prints for the script, clocks masked, without what its other thread prints on sending. */
export async function cShellText(port: number): Promise<string> {
  const shell = new CShell(`127.0.0.1:${port}`, SHELL_MS_MAX);
  await shell.seen(/CONNECTED_STATE/);
  for (const [line] of cScript) {
    shell.send(line);
    await sleep(30);
  }
  await shell.seen(/\/end: rc = -101/);
  await shell.quit();
  return masked(shell.text);
}

function masked(text: string): string {
  return text
    .split('\n')
    .filter((line) => !/ZOO_INFO|^time = |new session id|^Creating /.test(line))
    .map((line) => line.replace(/([cm]time ?= ?).*/, '$1TIME').replace(/(ephemeralOwner = )[1-9a-f].*/, '$1SESSION'))
    .join('\n');
}
