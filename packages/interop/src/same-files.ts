/** One server's data directory under the other: after clean stops, after kill -9, compressed, there and back. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateMode, OpCode } from '@treekeeper/protocol';
import { createBody, openAcl, setDataBody, versionBody } from './bodies.ts';
import { Random } from './random.ts';
import { type Flavour, javaClassPath, Server } from './servers.ts';
import { ConnectionLost, Session } from './session.ts';
import type { Checks, Options, Suite } from './suite.ts';
import { compareDumps, dumpTree, type TreeDump } from './tree-dump.ts';

const SESSION_TIMEOUT_MS = 120_000;
const LOAD_MS = 1500;

interface Case {
  readonly from: Flavour;
  readonly to: Flavour;
  readonly end: 'stop' | 'kill';
  readonly compression: '' | 'gz' | 'snappy';
}

export const sameFiles: Suite = {
  name: 'same-files',
  summary: "each server starts on the other's data directory, with the same tree, sessions and zxid",
  async run(options, checks) {
    const ours = options.server;
    for (const [from, to] of [
      ['apache', ours],
      [ours, 'apache'],
    ] as const) {
      for (const end of ['stop', 'kill'] as const) {
        await handOver({ from, to, end, compression: '' }, options, checks);
      }
      await handOver({ from, to, end: 'kill', compression: 'gz' }, options, checks);
      await handOver({ from, to, end: 'stop', compression: 'snappy' }, options, checks);
    }
    await checks.part('there and back, three times', () => thereAndBack(options, checks));
  },
};

async function handOver(testCase: Case, options: Options, checks: Checks): Promise<void> {
  const { from, to, end, compression } = testCase;
  const name = `${from} to ${to} after ${end}${compression === '' ? '' : `, ${compression} snapshots`}`;
  await checks.part(name, async () => {
    const directory = mkdtempSync(join(options.directory, 'same-files-'));
    const settings = {
      maxSessionTimeout: 600_000,
      snapCount: 200,
      'znode.container.checkIntervalMs': 3_600_000,
      ...(compression === '' ? {} : { 'snapshot.compression.method': compression }),
    };
    const writer = await Server.start({ flavour: from, directory: join(directory, 'writer'), settings });
    const { dataDirectory } = writer;
    const sessions = await allKinds(writer.port);
    const load = new Load(writer.port, options.seed);
    await load.start();
    await sleep(LOAD_MS);
    if (end === 'stop') {
      await load.end();
      await writer.stop();
    } else {
      await writer.kill();
      await load.end();
    }
    if (from === 'treekeeper') {
      javaToolsAccept(dataDirectory, name, checks);
    }
    const copy = join(directory, 'copy');
    cpSync(dataDirectory, copy, { recursive: true });
    const same = await Server.start({
      flavour: from,
      directory: join(directory, 'same'),
      dataDirectory: copy,
      settings,
    });
    const sameMismatch = digestMismatch(same.log);
    const expected = await look(same, sessions, checks, `${name}, the writer's own restart`);
    await same.stop();
    const other = await Server.start({ flavour: to, directory: join(directory, 'other'), dataDirectory, settings });
    const otherMismatch = digestMismatch(other.log);
    const actual = await look(other, sessions, checks, name);
    // Under load Apache now and then records a digest that its own restart finds wrong: then ours must find the same.
    // Only while recovering: what it does to sessions afterwards may make it miscalculate another time.
    checks.equal(`${name}: digest mismatches`, otherMismatch, sameMismatch);
    checks.that(`${name}: our digests are right`, from === 'apache' || otherMismatch === '', () => other.log);
    await other.stop();
    checks.equal(`${name}: tree`, compareDumps(expected.tree, actual.tree), '');
    checks.equal(`${name}: next zxid`, actual.nextZxid, expected.nextZxid);
    checks.that(`${name}: load`, load.writes > 100, () => `only ${load.writes} writes were acknowledged`);
  });
}

/** The first tree digest that a server found to differ from the recorded one, as "found, recorded"; "" if none did. */
function digestMismatch(log: string): string {
  const [found, recorded] =
    /expected digest is 2,(-?\d+)[\s\S]*?actual digest is (-?\d+)/.exec(log)?.slice(1).reverse() ??
    /digest (-?\d+), recorded (-?\d+)/.exec(log)?.slice(1) ??
    [];
  return found === undefined ? '' : `${found}, ${recorded}`;
}

interface Kept {
  readonly id: bigint;
  readonly password: Uint8Array;
  /** An ephemeral of it. */
  readonly ephemeral: string;
}

/** Every kind of node, ACLs, quotas, failed writes, sessions of all fates; answers those that are still open. */
async function allKinds(port: number): Promise<Kept[]> {
  const a = await Session.open(port, { timeoutMs: SESSION_TIMEOUT_MS });
  const b = await Session.open(port, { timeoutMs: SESSION_TIMEOUT_MS });
  const leaver = await Session.open(port, { timeoutMs: SESSION_TIMEOUT_MS });
  await a.auth('u1:p1');
  await a.create('/kinds', Buffer.from('top'));
  await a.create('/kinds/null', null);
  await a.create('/kinds/empty', Buffer.alloc(0));
  await a.create('/kinds/large', Buffer.alloc(300_000, 7));
  await a.create('/kinds/h\u00e9-\u4e2d', Buffer.from('not ascii'));
  await a.create('/kinds/e', null, CreateMode.ephemeral);
  const ephemeral = await b.create('/kinds/es-', Buffer.from('1'), CreateMode.ephemeralSequential);
  const sequential = await a.create('/kinds/s-', null, CreateMode.persistentSequential);
  await a.create('/kinds/container', null, CreateMode.container);
  await a.create('/kinds/container/child', null);
  await a.create('/kinds/ttl', null, CreateMode.persistentWithTtl, openAcl, 99_999_999n);
  await a.create('/kinds/ttls-', null, CreateMode.persistentSequentialWithTtl, openAcl, 1099511627775n);
  await a.create('/kinds/auth', Buffer.from('mine'), 0, [{ perms: 31, scheme: 'auth', id: '' }]);
  await a.create('/kinds/acls', null, 0, [
    { perms: 1, scheme: 'world', id: 'anyone' },
    { perms: 30, scheme: 'ip', id: '127.0.0.1/8' },
    { perms: 12, scheme: 'digest', id: 'u2:o9NxcCGDPOlcV7JVhmKHOf5ctVE=' },
  ]);
  await a.setAcl(sequential, [{ perms: 3, scheme: 'world', id: 'anyone' }]);
  await a.setData('/kinds', Buffer.from('new'));
  await a.call(OpCode.setData, setDataBody('/kinds', null, 77));
  await a.call(OpCode.create, createBody('/kinds', null));
  await a.create('/kinds/gone', null);
  await a.delete('/kinds/gone');
  await a.multi([
    { type: OpCode.create, body: createBody('/kinds/m', null) },
    { type: OpCode.create, body: createBody('/kinds/m/e', null, openAcl, CreateMode.ephemeral) },
    { type: OpCode.setData, body: setDataBody('/kinds', Buffer.from('by multi')) },
    { type: OpCode.check, body: versionBody('/kinds', -1) },
  ]);
  await a.multi([
    { type: OpCode.create, body: createBody('/kinds/never', null) },
    { type: OpCode.delete, body: versionBody('/kinds/none', -1) },
  ]);
  await a.create('/zookeeper/quota/kinds', null);
  await a.create('/zookeeper/quota/kinds/zookeeper_limits', Buffer.from('count=1000,bytes=-1'));
  await a.create('/zookeeper/quota/kinds/zookeeper_stats', Buffer.from('count=0,bytes=0'));
  await leaver.create('/kinds/left', null, CreateMode.ephemeral);
  await leaver.create('/kinds/m/left', null, CreateMode.ephemeral);
  await leaver.close();
  a.abandon();
  b.abandon();
  const { id, password } = a;
  return [
    { id, password, ephemeral: '/kinds/e' },
    { id: b.id, password: b.password, ephemeral },
  ];
}

interface View {
  readonly tree: TreeDump;
  readonly nextZxid: bigint;
}

/** The tree, whether the sessions live, and the zxid of the next write. */
async function look(server: Server, sessions: readonly Kept[], checks: Checks, name: string): Promise<View> {
  const tree = await dumpTree(server.port);
  for (const { id, password, ephemeral } of sessions) {
    const wanted = { sessionId: id, password, timeoutMs: SESSION_TIMEOUT_MS };
    const resumed = await Session.open(server.port, wanted).catch(() => null);
    const stat = (await resumed?.exists(ephemeral)) ?? null;
    checks.equal(`${name}: the session that owns ${ephemeral}`, resumed === null ? 'gone' : stat?.ephemeralOwner, id);
    resumed?.abandon();
  }
  const session = await Session.open(server.port);
  const reply = await session.call(OpCode.create, createBody('/next', null));
  await session.close();
  return { tree, nextZxid: reply.zxid };
}

/** Several sessions that write without pause, until the server or the test ends. */
class Load {
  /** Acknowledged. */
  writes = 0;
  readonly #port: number;
  readonly #random: Random;
  #going = true;
  #running: Promise<void>[] = [];

  constructor(port: number, seed: number) {
    this.#port = port;
    this.#random = new Random(seed);
  }

  async start(): Promise<void> {
    const sessions = await Promise.all(
      [1, 2, 3, 4].map(() => Session.open(this.#port, { timeoutMs: SESSION_TIMEOUT_MS })),
    );
    await sessions[0].create('/load', null);
    this.#running = sessions.flatMap((session, i) =>
      [1, 2, 3, 4].map((lane) => this.#lane(session, `/load/${i}-${lane}`)),
    );
  }

  async #lane(session: Session, root: string): Promise<void> {
    const random = this.#random;
    try {
      await session.create(root, null);
      for (let i = 0; this.#going; i++) {
        const path = `${root}/${random.below(40)}`;
        const flags = random.pick([0, 0, 0, CreateMode.ephemeral, CreateMode.container]);
        await session.call(OpCode.create, createBody(path, random.bytes(random.below(200)), openAcl, flags));
        await session.call(OpCode.setData, setDataBody(path, Buffer.from(String(i))));
        if (random.chance(0.5)) {
          await session.call(OpCode.delete, versionBody(path, -1));
        }
        if (random.chance(0.1)) {
          await session.setAcl(root, [...openAcl, { perms: random.below(32), scheme: 'ip', id: '10.0.0.1' }]);
        }
        this.writes += 2;
      }
    } catch (error) {
      if (!(error instanceof ConnectionLost)) {
        throw error;
      }
    }
  }

  async end(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#running);
  }
}

/** Apache's own tools read what we wrote: every snapshot, every log, no bad checksum. */
function javaToolsAccept(dataDirectory: string, name: string, checks: Checks): void {
  const directory = join(dataDirectory, 'version-2');
  const run = (tool: string, file: string): string => {
    const args = ['-cp', javaClassPath, '-Dzookeeper.extendedTypesEnabled=true', `org.apache.zookeeper.server.${tool}`];
    return execFileSync('java', [...args, file], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  };
  const files = readdirSync(directory).sort((x, y) => x.length - y.length || (x < y ? -1 : 1));
  // Each costs the start of a Java machine: the first and the newest of each kind stand for the others.
  const snapshots = files.filter((file) => file.startsWith('snapshot.'));
  const logs = files.filter((file) => file.startsWith('log.'));
  for (const file of new Set([snapshots[0], ...snapshots.slice(-2), logs[0], ...logs.slice(-2)])) {
    const path = join(directory, file);
    try {
      if (file.startsWith('snapshot.')) {
        checks.that(`${name}: SnapshotFormatter ${file}`, run('SnapshotFormatter', path).includes('Last zxid'));
      } else if (file.startsWith('log.')) {
        const text = run('persistence.TxnLogToolkit', path);
        checks.that(`${name}: TxnLogToolkit ${file}`, text.includes('EOF reached') && !text.includes('CRC ERROR'), () =>
          text.slice(-300),
        );
      }
    } catch (error) {
      checks.fail(`${name}: Apache's tool on ${file}`, String(error).slice(0, 1000));
    }
  }
}

async function thereAndBack(options: Options, checks: Checks): Promise<void> {
  const dataDirectory = join(options.directory, 'there-and-back', 'data');
  const settings = { maxSessionTimeout: 600_000, snapCount: 500 };
  let before: TreeDump | null = null;
  for (let round = 0; round < 6; round++) {
    const flavour = round % 2 === 0 ? 'apache' : options.server;
    const directory = join(options.directory, 'there-and-back', String(round));
    const server = await Server.start({ flavour, directory, dataDirectory, settings });
    const found = await dumpTree(server.port);
    if (before !== null) {
      checks.equal(`round ${round}, ${flavour}: tree`, compareDumps(before, found), '');
    }
    const session = await Session.open(server.port);
    await Promise.all(
      Array.from({ length: 800 }, (_, i) =>
        session.create(`/r${round}-`, Buffer.from(String(i)), CreateMode.persistentSequential),
      ),
    );
    await session.setData('/', Buffer.from(`round ${round}`));
    await session.close();
    before = await dumpTree(server.port);
    await server.stop();
  }
}
