/** `treekeeper shell` by pipe and in a real terminal (tmux), against Apache ZooKeeper and against our server. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { shellScript } from './programs/java-shell.ts';
import { type Flavour, Server, treekeeperCommandFile } from './servers.ts';
import type { Checks, Options, Suite } from './suite.ts';

export const shell: Suite = {
  name: 'shell',
  summary:
    'treekeeper shell answers as zkCli.sh does, and works in a terminal: Tab, history, Ctrl-C, watches, an editor',
  async run(options, checks) {
    const texts = new Map<Flavour, string>();
    for (const flavour of ['apache', options.server] as const) {
      const directory = mkdtempSync(join(options.directory, 'shell-'));
      const server = await Server.start({ flavour, directory });
      await checks.part(`zkCli's commands with ${flavour}`, async () => {
        texts.set(flavour, byPipe(flavour, server, checks));
      });
      await checks.part(`terminal with ${flavour}`, () => inTerminal(flavour, server, options, checks));
      await server.stop();
    }
    checks.equal('the same text from both', texts.get(options.server), texts.get('apache'));
  },
};

/** What zkCli says in words of its own. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  version: 'Treekeeper CLI version',
};

/** The commands of zkCli's own test. Answers the text without what depends on time and version. */
function byPipe(flavour: Flavour, server: Server, checks: Checks): string {
  const input = shellScript.map(([command]) => command).join('\n');
  const command = `"${process.execPath}" "${treekeeperCommandFile()}" shell -s 127.0.0.1:${server.port} --keep-going 2>&1`;
  const { stdout } = spawnSync('sh', ['-c', command], { input, encoding: 'utf8', timeout: 60_000 });
  for (const [line, usual] of shellScript) {
    const expected = OTHER_WORDS[line] ?? usual.trimEnd(); // events have a zxid behind them
    checks.that(`${flavour}: ${line}`, stdout.includes(expected), () => `no "${expected}" in\n${stdout}`);
  }
  const masked = stdout.replace(/^([cm]time = ).*/gm, '$1TIME').replaceAll(/ zxid: \d+$/gm, '');
  return `${masked.split('\n').sort().join('\n')}\n`;
}

/** Longer than an attempt of the client's: Apache forgets a connection now and then that it accepts while it starts. */
const SEEN_MS_MAX = 30_000;

/** A terminal with a program in it. */
class Tmux {
  readonly #socket: string;

  constructor(name: string, command: string, env: Readonly<Record<string, string>>) {
    this.#socket = name;
    const variables = Object.entries(env).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
    this.#tmux('-f', '/dev/null', 'new-session', '-d', '-x', '110', '-y', '50', ...variables, command);
  }

  #tmux(...args: string[]): string {
    return execFileSync('tmux', ['-L', this.#socket, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** One after the other: a Tab in the midst of pasted text is no wish for completion. */
  keys(...keys: string[]): void {
    for (const key of keys) {
      this.#tmux('send-keys', key);
    }
  }

  /** What is to be seen; with its colours if wanted. */
  screen(withColours = false): string {
    return this.#tmux('capture-pane', '-p', ...(withColours ? ['-e'] : []));
  }

  get ended(): boolean {
    return spawnSync('tmux', ['-L', this.#socket, 'has-session']).status !== 0;
  }

  kill(): void {
    spawnSync('tmux', ['-L', this.#socket, 'kill-server']);
  }

  /** Waits until the condition holds, and says whether it came to that. */
  async until(condition: () => boolean): Promise<boolean> {
    for (const endMs = Date.now() + SEEN_MS_MAX; Date.now() < endMs; ) {
      if (condition()) {
        return true;
      }
      await sleep(50);
    }
    return false;
  }
}

async function inTerminal(flavour: Flavour, server: Server, options: Options, checks: Checks): Promise<void> {
  const directory = mkdtempSync(join(options.directory, 'terminal-'));
  const host = `127.0.0.1:${server.port}`;
  const history = join(directory, 'state', 'treekeeper', 'history');
  const editor = join(directory, 'editor');
  writeFileSync(editor, '#!/bin/sh\nprintf "what? "; read line; printf %s "$line" > "$1"\n');
  chmodSync(editor, 0o755);
  const env = { XDG_STATE_HOME: join(directory, 'state'), EDITOR: editor, TERM: 'screen' };
  const command = `'${process.execPath}' '${treekeeperCommandFile()}' shell -s ${host}`;
  const name = `treekeeper-${process.pid}-${flavour}`;
  const other = (...args: string[]): void => {
    execFileSync(process.execPath, [treekeeperCommandFile(), 'shell', '-s', host, ...args]);
  };
  let terminal = new Tmux(name, command, env);
  const sees = async (what: string, text: string): Promise<void> => {
    const seen = await terminal.until(() => terminal.screen().includes(text));
    checks.that(`${flavour}: ${what}`, seen, () => `no "${text}" in\n${terminal.screen()}`);
  };
  try {
    await sees('a prompt', `${host} />`);
    checks.that(`${flavour}: in colour`, terminal.screen(true).includes('\u001b[36m'));
    terminal.keys('creat', 'Tab');
    await sees('Tab completes a command', '> create');
    terminal.keys('/app hello', 'Enter');
    await sees('create', 'Created /app');
    terminal.keys('get -w /ap', 'Tab');
    await sees('Tab completes a path', '> get -w /app');
    terminal.keys('Enter');
    await sees('get', '\nhello\n');
    terminal.keys('half a line');
    await sees('typing', '> half a line');
    other('set', '/app', 'changed');
    await sees('an event stands above the line that is typed', 'type:NodeDataChanged path:/app');
    await sees('which is still there', '> half a line');
    terminal.keys('C-c', 'watch -r /app', 'Enter');
    await sees('Ctrl-C drops the line', 'watching /app');
    other('create', '/app/new', 'seen');
    await sees('watch', 'created           /app/new  seen');
    terminal.keys('C-c', 'cd app', 'Enter');
    await sees('Ctrl-C ends a command', `${host} /app>`);
    terminal.keys('edit .', 'Enter');
    await sees('an editor has the terminal', 'what?');
    terminal.keys('edited by hand', 'Enter');
    await sees('edit', '/app has version 2 now');
    terminal.keys('get', 'Enter');
    await sees('line editing goes on behind it', '\nedited by hand\n');
    terminal.keys('addauth digest u:secret', 'Enter', 'whoami', 'Enter');
    await sees('whoami', 'digest: u');
    await server.kill();
    await sees('a lost connection is told', 'connection: disconnected');
    await server.start();
    await sees('and its return', 'connection: connected');
    terminal.keys('C-d');
    checks.that(`${flavour}: Ctrl-D leaves`, await terminal.until(() => terminal.ended));
    terminal = new Tmux(name, command, { ...env, NO_COLOR: '1' });
    await sees('a prompt once more', `${host} />`);
    checks.that(`${flavour}: NO_COLOR`, !terminal.screen(true).includes('\u001b[36m'));
    terminal.keys('Up');
    await sees('the history of the run before', '> whoami');
    terminal.keys('C-c', 'C-c');
    checks.that(`${flavour}: Ctrl-C on an empty line leaves`, await terminal.until(() => terminal.ended));
    const kept = existsSync(history) ? readFileSync(history, 'utf8') : '';
    checks.that(`${flavour}: no password is kept`, kept.includes('whoami\n') && !kept.includes('secret'), () => kept);
    checks.equal(`${flavour}: nobody else can read it`, statSync(history).mode & 0o777, 0o600);
  } finally {
    terminal.kill();
  }
}
