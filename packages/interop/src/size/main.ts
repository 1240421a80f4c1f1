/** `bench/size.sh FLAVOUR`: what a large tree with many sessions and watches costs. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { OpCode } from '@treekeeper/protocol';
import { createBody, setDataBody, watchedBody } from '../bodies.ts';
import { Random } from '../random.ts';
import { type Flavour, repositoryRoot, Server, useTreekeeper } from '../servers.ts';
import { Session } from '../session.ts';
import type { MeterReport } from './meter.ts';
import type { ProbeInput, ProbeReport } from './probe.ts';

const DATA_BYTES = 100;
const CHILDREN_PER_PARENT = 1000;
const LOADERS = 8;
const LOADER_WINDOW = 250;
/** The load under which the snapshot is written. */
const WRITERS = 4;
const WRITER_WINDOW = 8;
const SESSION_TIMEOUT_MS = 600_000;
const SNAPSHOT_WAIT_MS_MAX = 240_000;
const SETTLE_MS = 10_000;
/** A snapshot of Apache that has not been written to for so long is finished. */
const QUIET_MS = 2000;
/** Written by meter.ts, which this process must not load. */
const METER_FILE = 'meter.json';

interface Sizes {
  readonly nodes: number;
  readonly sessions: number;
  readonly watches: number;
}

function say(what: string, figure: string): void {
  console.log(`${what.padEnd(58)}${figure}`);
}

function megabytes(server: Server, line: 'VmRSS' | 'VmHWM' = 'VmRSS'): string {
  return `${Math.round(server.memoryBytes(line) / 1048576)} MB`;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      nodes: { type: 'string', default: '1000000' },
      sessions: { type: 'string', default: '10000' },
      watches: { type: 'string', default: '100000' },
      treekeeper: { type: 'string' },
      'heap-mb': { type: 'string', default: '4096' },
      keep: { type: 'boolean', default: false },
    },
  });
  const flavour: Flavour = positionals[0] === 'apache' ? 'apache' : 'treekeeper';
  if (values.treekeeper !== undefined) {
    useTreekeeper(values.treekeeper);
  }
  const sizes = { nodes: Number(values.nodes), sessions: Number(values.sessions), watches: Number(values.watches) };
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: repositoryRoot,
    encoding: 'utf8',
  }).trim();
  say('server', `${flavour}, commit ${commit}, Node ${process.version}`);
  say('machine', `${cpus().length} × ${cpus()[0]?.model}`);
  say('size', `${sizes.nodes} znodes of ${DATA_BYTES} bytes, ${sizes.sessions} sessions, ${sizes.watches} watches`);
  const directory = mkdtempSync(join(tmpdir(), 'treekeeper-size-'));
  const server = await Server.start({
    flavour,
    directory,
    heapMb: Number(values['heap-mb']),
    nodeOptions: ['--import', new URL('./meter.js', import.meta.url).href],
    settings: { maxSessionTimeout: SESSION_TIMEOUT_MS, preAllocSize: 65536 },
  });
  try {
    await measure(server, sizes);
  } finally {
    await server.kill();
    if (values.keep) {
      say('kept', directory);
    } else {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

async function measure(server: Server, sizes: Sizes): Promise<void> {
  const began = performance.now();
  await makeTree(server.port, sizes.nodes);
  const seconds = (performance.now() - began) / 1000;
  say('making the tree', `${seconds.toFixed(1)} s, ${Math.round(sizes.nodes / seconds)} creates/s`);
  sayTurns('turns while it grew', await meter(server));
  await sleep(SETTLE_MS);
  say('memory with the tree', megabytes(server));
  const sessions = await openSessions(server.port, sizes);
  sayTurns('turns meanwhile', await meter(server));
  await sleep(SETTLE_MS);
  say('memory with tree, sessions and watches', megabytes(server));
  await snapshotUnderLoad(server, sizes);
  say('memory at its highest', megabytes(server, 'VmHWM'));
  for (const session of sessions) {
    session.abandon();
  }
  await restart(server);
}

function pathOf(node: number): string {
  return `/t/${Math.floor(node / CHILDREN_PER_PARENT)}/${node % CHILDREN_PER_PARENT}`;
}

async function makeTree(port: number, nodes: number): Promise<void> {
  const random = new Random(1);
  const loaders = await Promise.all(Array.from({ length: LOADERS }, () => Session.open(port, { timeoutMs: 60_000 })));
  await loaders[0].create('/t', null);
  await inWindow(loaders, Math.ceil(nodes / CHILDREN_PER_PARENT), (i) => [OpCode.create, createBody(`/t/${i}`, null)]);
  await inWindow(loaders, nodes, (i) => [OpCode.create, createBody(pathOf(i), random.bytes(DATA_BYTES))]);
  await Promise.all(loaders.map((loader) => loader.close()));
}

/** Sends requests 0 … count−1, dealt out to the sessions, each with so many on their way. */
async function inWindow(
  sessions: readonly Session[],
  count: number,
  request: (i: number) => [opcode: number, body: Uint8Array],
): Promise<void> {
  let next = 0;
  const lane = async (session: Session): Promise<void> => {
    while (next < count) {
      const i = next++;
      const [opcode, body] = request(i);
      const { err } = await session.call(opcode, body);
      if (err !== 0) {
        throw new Error(`request ${i}: error ${err}`);
      }
    }
  };
  await Promise.all(sessions.flatMap((session) => Array.from({ length: LOADER_WINDOW }, () => lane(session))));
}

async function openSessions(port: number, sizes: Sizes): Promise<Session[]> {
  const began = performance.now();
  const sessions: Session[] = [];
  while (sessions.length < sizes.sessions) {
    const batch = Math.min(100, sizes.sessions - sessions.length);
    const opened = Array.from({ length: batch }, () => Session.open(port, { timeoutMs: SESSION_TIMEOUT_MS }));
    sessions.push(...(await Promise.all(opened)));
  }
  const seconds = (performance.now() - began) / 1000;
  say('opening the sessions', `${seconds.toFixed(1)} s, ${Math.round(sizes.sessions / seconds)} /s`);
  const random = new Random(2);
  const each = Math.ceil(sizes.watches / sizes.sessions);
  for (const session of sessions) {
    const paths = Array.from({ length: each }, () => pathOf(random.below(sizes.nodes)));
    await Promise.all(paths.map((path) => session.call(OpCode.getData, watchedBody(path, true))));
  }
  return sessions;
}

/** Writes until a snapshot has been begun and finished, and asks the probe how long the server let it wait. */
async function snapshotUnderLoad(server: Server, sizes: Sizes): Promise<void> {
  const input: ProbeInput = { port: server.port };
  const probe = new Worker(new URL('./probe.js', import.meta.url), { workerData: input });
  const report = async (): Promise<ProbeReport> => {
    const answer = new Promise<ProbeReport>((done) => probe.once('message', done));
    probe.postMessage('report');
    return answer;
  };
  await sleep(1000);
  await report();
  await meter(server);
  await sleep(3000);
  sayWaits('pings of an idle server', await report());
  sayTurns('turns of an idle server', await meter(server));
  const load = await startLoad(server.port, sizes.nodes);
  await sleep(3000);
  sayWaits('pings under load', await report());
  sayTurns('turns under load', await meter(server));
  const snapshots = finishedSnapshots(server);
  const deadline = Date.now() + SNAPSHOT_WAIT_MS_MAX;
  // The first may have been begun before: the second is measured as a whole.
  while (finishedSnapshots(server) < snapshots + 2 && Date.now() < deadline) {
    await sleep(50);
  }
  sayWaits('pings under load, until two snapshots are finished', await report());
  sayTurns('turns under load, until two snapshots are finished', await meter(server));
  say('writes meanwhile', `${load.writes()}`);
  await load.stop();
  await probe.terminate();
}

/** What the meter in the server's process has seen since it was asked last; null: there is none in Apache ZooKeeper. */
async function meter(server: Server): Promise<MeterReport | null> {
  if (server.flavour === 'apache') {
    return null;
  }
  const file = join(server.directory, METER_FILE);
  rmSync(file, { force: true });
  server.signal('SIGUSR2');
  while (!existsSync(file)) {
    await sleep(20);
  }
  return JSON.parse(readFileSync(file, 'utf8')) as MeterReport;
}

/** Processor time of the server's thread: other programs on the machine do not count, as they do in waits. */
function sayTurns(what: string, report: MeterReport | null): void {
  if (report !== null) {
    const { turns, longestMs, maxWallMs, gcMaxMs, gcCount } = report;
    say(what, `longest by processor time ${longestMs.join(', ')} ms, by the clock ${maxWallMs} ms (${turns} turns)`);
    say('', `garbage collector ${gcCount} times, longest ${gcMaxMs} ms`);
  }
}

function sayWaits(what: string, { pings, p50Ms, p99Ms, maxMs }: ProbeReport): void {
  say(what, `p50 ${p50Ms} ms, p99 ${p99Ms} ms, longest ${maxMs} ms (${pings} pings)`);
}

/** How many snapshots have been finished. Treekeeper renames one when it is; Apache writes in place. */
function finishedSnapshots(server: Server): number {
  const directory = join(server.dataDirectory, 'version-2');
  const names = readdirSync(directory).filter((name) => /^snapshot\.[0-9a-f]+$/.test(name));
  if (server.flavour === 'treekeeper') {
    return names.length;
  }
  return names.filter((name) => Date.now() - statSync(join(directory, name)).mtimeMs > QUIET_MS).length;
}

async function startLoad(port: number, nodes: number): Promise<{ writes: () => number; stop: () => Promise<void> }> {
  const random = new Random(3);
  const sessions = await Promise.all(Array.from({ length: WRITERS }, () => Session.open(port, { timeoutMs: 60_000 })));
  let going = true;
  let writes = 0;
  const lane = async (session: Session): Promise<void> => {
    while (going) {
      await session.call(OpCode.setData, setDataBody(pathOf(random.below(nodes)), random.bytes(DATA_BYTES)));
      writes++;
    }
  };
  const running = sessions.flatMap((session) => Array.from({ length: WRITER_WINDOW }, () => lane(session)));
  return {
    writes: () => writes,
    stop: async () => {
      going = false;
      await Promise.all(running);
      await Promise.all(sessions.map((session) => session.close()));
    },
  };
}

async function restart(server: Server): Promise<void> {
  say('SIGTERM to the end of the process', `${(await server.stop()) / 1000} s`);
  const began = performance.now();
  await server.start();
  say('start to serving', `${((performance.now() - began) / 1000).toFixed(2)} s`);
  const session = await Session.open(server.port);
  say('processor time of the start', `${(server.cpuMs() / 1000).toFixed(2)} s`);
  say('start to the first session', `${((performance.now() - began) / 1000).toFixed(2)} s`);
  const { err } = await session.call(OpCode.getData, watchedBody(pathOf(1), false));
  say('memory after the restart', `${megabytes(server)}${err === 0 ? '' : `, read failed: ${err}`}`);
  await session.close();
}

await main();
