import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Notice } from '@treekeeper/server/config';
import { makeDirectory } from '../make-directory.ts';
import { showConfigError, showWarnings } from '../notices.ts';
import { complain, type Terminal, UsageError } from '../terminal.ts';
import { ENDS_WITH_STDIN } from './server.ts';

const SIZE_DEFAULT = 3;
/** Enough to try out whatever happens to larger ones. */
const SIZE_MAX = 9;
const START_MS_MAX = 60_000;
const STOP_MS_MAX = 10_000;
const POLL_MS = 50;
const LOG_LINES_SHOWN = 5;
const USAGE_EXIT_CODE = 2;
/** For each server: clients, quorum, election, admin server. */
const PORTS = 4;

/** What -D can change, and is handed on as -D therefore: a key in zoo.cfg would go before it. */
const DEFAULTS: Readonly<Record<string, string>> = {
  tickTime: '2000',
  initLimit: '10',
  syncLimit: '5',
  standaloneEnabled: 'false',
  'admin.enableServer': 'false',
  'admin.serverAddress': '127.0.0.1',
};

/** What each server must have of its own, or we need of it, and why -D does not change it. */
const OWN: Readonly<Record<string, string>> = {
  dataDir: 'each server has a directory of its own; --data says where they are',
  clientPort: 'each server gets a free port of its own, which is shown',
  'admin.serverPort': 'each server gets a free port of its own, which is shown',
  '4lw.commands.whitelist': 'all four-letter words are open already',
};

/** The data are those of servers that run. */
class UseError extends Error {
  override readonly name = 'UseError';
}

/** How the ensemble is told to end, for tests: a signal by default. */
export type UntilEnd = () => Promise<void>;

interface Launch {
  readonly size: number;
  /** Null: a directory that goes with the ensemble. */
  readonly data: string | null;
  readonly defines: readonly string[];
}

/** `treekeeper ensemble [--size N] [--data directory] [-Dkey=value ...]` */
export async function ensemble(args: readonly string[], terminal: Terminal, untilEnd: UntilEnd = untilSignal) {
  const launch = parseLaunch(args);
  if (launch === null) {
    terminal.out(helpText());
    return 0;
  }
  if (await hasFaults(launch, terminal)) {
    return USAGE_EXIT_CODE;
  }
  const directory = launch.data === null ? mkdtempSync(join(tmpdir(), 'treekeeper-ensemble-')) : resolve(launch.data);
  const ending = untilEnd(); // from now on: a signal must not leave servers behind
  let members: Member[] = [];
  try {
    members = await makeMembers(directory, launch.size);
    for (const member of members) {
      member.start(launch, terminal);
    }
    const isReady = await Promise.race([untilServing(members), ending.then(() => null)]);
    if (isReady !== null) {
      if (!isReady) {
        tellTrouble(members, launch, terminal);
        return 1;
      }
      terminal.out(await welcome(members, directory, launch));
      await ending;
    }
    return 0;
  } catch (error) {
    if (error instanceof UseError) {
      complain(terminal, 'red', 'error', error.message);
      return 1;
    }
    if (!(error instanceof Error && 'syscall' in error)) {
      throw error;
    }
    const named = launch.data === null ? '' : `--data ${launch.data} cannot be used: `;
    complain(terminal, 'red', 'error', `${named}${error.message}`);
    return 1;
  } finally {
    await Promise.all(members.map((member) => member.stop()));
    if (launch.data === null) {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

/** What every server would say of its -D options, and end with, is said once, before there are any. */
async function hasFaults({ defines }: Launch, terminal: Terminal): Promise<boolean> {
  const { ConfigError, loadConfig } = await import('@treekeeper/server/config');
  const isGiven = ({ origin }: Notice) => origin.kind === 'command-line';
  const given = [...defaultsBut(defines), ...defines];
  let [faults, warnings]: (readonly Notice[])[] = [[], []];
  try {
    ({ warnings } = loadConfig({ defines: given, env: terminal.env }));
  } catch (error) {
    if (!(error instanceof ConfigError)) {
      throw error;
    }
    ({ faults, warnings } = error);
  }
  showWarnings(terminal, warnings.filter(isGiven));
  const own = faults.filter(isGiven);
  showConfigError(terminal, new ConfigError(own));
  return own.length > 0;
}

/** What -D does not say otherwise. */
function defaultsBut(defines: readonly string[]): string[] {
  const given = new Set(defines.map(keyOf));
  return Object.entries(DEFAULTS)
    .filter(([key]) => !given.has(key))
    .map(([key, value]) => `${key}=${value}`);
}

function parseLaunch(args: readonly string[]): Launch | null {
  const { values } = parse(args);
  if (values.help === true) {
    return null;
  }
  const size = values.size === undefined ? SIZE_DEFAULT : Number(values.size);
  if (!Number.isInteger(size) || size < 1 || size > SIZE_MAX) {
    throw new UsageError(`--size ${values.size} is not a number from 1 to ${SIZE_MAX}`);
  }
  const defines = values.define ?? [];
  for (const key of defines.map(keyOf)) {
    if (Object.hasOwn(OWN, key)) {
      throw new UsageError(`-D${key}: ${OWN[key]}`);
    }
  }
  return { size, data: values.data ?? null, defines };
}

/** Of `key=value`, as in zoo.cfg: both spellings are the same. */
function keyOf(define: string): string {
  return define.split('=', 1)[0].replace(/^zookeeper\./, '');
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        size: { type: 'string', short: 'n' },
        data: { type: 'string' },
        define: { type: 'string', short: 'D', multiple: true },
        help: { type: 'boolean', short: 'h' },
      },
      strict: true,
    });
  } catch (error) {
    if (error instanceof TypeError && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS')) {
      throw new UsageError(error.message.split('. ', 1)[0]);
    }
    throw error;
  }
}

async function untilSignal(): Promise<void> {
  await new Promise<void>((end) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => end());
    }
  });
}

/** One server: a process of its own, so that it can be killed, stopped and started again by whoever tries it out. */
class Member {
  readonly id: number;
  readonly port: number;
  readonly adminPort: number;
  readonly directory: string;
  #process: ChildProcess | null = null;
  #isStopping = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(id: number, [port, adminPort]: readonly [number, number], directory: string) {
    this.id = id;
    this.port = port;
    this.adminPort = adminPort;
    this.directory = directory;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get logFile(): string {
    return join(this.directory, 'server.log');
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get isAlive(): boolean {
    return this.#process !== null && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  start({ data, defines }: Launch, terminal: Terminal): void {
    const log = openSync(this.logFile, 'a');
    const own = `admin.serverPort=${this.adminPort}`;
    const options = [...defaultsBut(defines), own, ...defines].map((text) => `-D${text}`);
    const command = [process.argv[1], 'server', join(this.directory, 'zoo.cfg'), ...options];
    // In a process group of its own: Ctrl-C is for us, and we tell the servers.
    const child = spawn(process.execPath, command, {
      cwd: this.directory,
      // The end of the pipe tells a server that we are gone, however that came about.
      stdio: ['pipe', log, log],
      detached: true,
      env: { ...process.env, NO_COLOR: '1', [ENDS_WITH_STDIN]: '1' },
    });
    child.stdin?.on('error', () => {}); // nothing is ever written
    closeSync(log);
    this.#process = child;
    this.#ended = new Promise((ended) => {
      child.once('error', () => ended());
      child.once('exit', (code, signal) => {
        if (!this.#isStopping) {
          const how = code === null ? `by ${signal}` : `with exit code ${code}`;
          const where = data === null ? '' : `; its log is ${this.logFile}`;
          complain(terminal, 'yellow', 'warning', `server ${this.id} has ended ${how}${where}`);
        }
        ended();
      });
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#process?.kill('SIGTERM');
    const isOver = await Promise.race([this.#ended.then(() => true), sleep(STOP_MS_MAX, false, { ref: false })]);
    if (!isOver) {
      this.#process?.kill('SIGKILL');
      await this.#ended;
    }
  }

  /** `leader`, `follower`; null while it does not serve. */
  mode(): Promise<string | null> {
    return new Promise((answer) => {
      const socket = connect({ port: this.port, host: '127.0.0.1' });
      let text = '';
      socket.once('connect', () => socket.write('srvr'));
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.once('error', () => answer(null));
      socket.once('close', () => answer(/^Mode: (.*)$/m.exec(text)?.[1] ?? null));
    });
  }

  get lastLogLines(): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-LOG_LINES_SHOWN).join('\n');
  }
}

/** Writes what each server needs, with ports that are free now. Throws UseError before anything is written. */
async function makeMembers(directory: string, size: number): Promise<Member[]> {
  const ids = Array.from({ length: size }, (_, i) => i + 1);
  await requireUnused(ids.map((id) => join(directory, `${id}`, 'data')));
  const ports = await freePorts(PORTS * size);
  const lines = ids.map((id) => {
    const [client, quorum, election] = ports.slice(PORTS * (id - 1));
    return `server.${id}=127.0.0.1:${quorum}:${election}:participant;127.0.0.1:${client}\n`;
  });
  return ids.map((id) => {
    const own = join(directory, `${id}`);
    const data = join(own, 'data');
    makeDirectory(data);
    writeFileSync(join(data, 'myid'), `${id}\n`);
    writeFileSync(join(own, 'zoo.cfg'), `dataDir=${data}\n4lw.commands.whitelist=*\n${lines.join('')}`);
    const first = PORTS * (id - 1);
    return new Member(id, [ports[first], ports[first + PORTS - 1]], own);
  });
}

async function requireUnused(directories: readonly string[]): Promise<void> {
  const { ownerOf } = await import('@treekeeper/server/preflight');
  for (const directory of directories) {
    const owner = ownerOf(directory);
    if (owner !== null) {
      throw new UseError(`${directory} is in use by ${owner}: an ensemble runs there. Stop it, or name another --data`);
    }
  }
}

/** Held open until all are found, so that none is found twice. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((found, failed) => {
          server.once('error', failed);
          server.listen(0, '127.0.0.1', () => found((server.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

/** False: a server has ended, or time is up. */
async function untilServing(members: readonly Member[]): Promise<boolean> {
  const deadlineMs = performance.now() + START_MS_MAX;
  for (;;) {
    const modes = await Promise.all(members.map((member) => member.mode()));
    if (modes.every((mode) => mode !== null)) {
      return true;
    }
    if (performance.now() > deadlineMs || members.some(({ isAlive }) => !isAlive)) {
      return false;
    }
    await sleep(POLL_MS);
  }
}

/** The logs are gone with the ensemble where nobody has said where to keep them. */
function tellTrouble(members: readonly Member[], { data }: Launch, terminal: Terminal): void {
  for (const { id, logFile, lastLogLines } of members) {
    const where = data === null ? '' : ` (${logFile})`;
    if (lastLogLines !== '') {
      complain(terminal, 'red', 'error', `server ${id} says at last${where}:\n${lastLogLines}`);
    }
  }
}

async function welcome(members: readonly Member[], directory: string, { data, defines }: Launch): Promise<string> {
  const connectString = members.map(({ address }) => address).join(',');
  const modes = await Promise.all(members.map((member) => member.mode()));
  const lines = members.map(({ id, address, pid }, i) => {
    return `Server ${id}  ${address.padEnd(16)} ${(modes[i] ?? '').padEnd(9)} process ${pid}`;
  });
  const leader = members[modes.indexOf('leader')];
  const hint = leader === undefined || members.length < 3 ? '' : `\n          kill -9 ${leader.pid}: others take over`;
  const hasAdmin = defines.some((text) => keyOf(text) === 'admin.enableServer' && text.endsWith('=true'));
  const urls = members.map(({ adminPort }) => `http://127.0.0.1:${adminPort}/commands`);
  return `an ensemble of ${members.length} is ready
Clients   ${connectString}
${lines.join('\n')}
${hasAdmin ? `Admin     ${urls.join(' ')}\n` : ''}Data      ${directory} (${data === null ? 'gone when the ensemble ends' : 'the data stay'})
Try       npx treekeeper shell -s ${connectString}${hint}
Stop      Ctrl-C
`;
}

function helpText(): string {
  return `Run an ensemble of servers on this machine, to try things out

Usage: treekeeper ensemble [--size N] [--data directory] [-Dkey=value ...]

Options:
  -n, --size <N>       How many servers, from 1 to ${SIZE_MAX} (default ${SIZE_DEFAULT})
      --data <dir>     Where the data are kept; without it in a temporary directory that goes
                       when the ensemble ends. Ports are new ones each time
  -D<key>=<value>      A setting for all servers, as of treekeeper server; not what each has of
                       its own: dataDir, clientPort, admin.serverPort
  -h, --help           This text

Each server is a process of its own: kill one and see the others go on. Ctrl-C ends them all.

Exit codes:
   0  Ended as it was told to
   1  A server did not start, its log says why; or the data directory cannot be used
   2  Wrong arguments, or a -D that no server would start with

Examples:
  treekeeper ensemble
  treekeeper ensemble --size 5 --data ./ensemble
  treekeeper ensemble -DtickTime=500 -Dadmin.enableServer=true
`;
}
