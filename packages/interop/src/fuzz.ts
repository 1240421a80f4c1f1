/** Bytes that no client would send: the server lives, stays small, and its other clients notice nothing. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OpCode } from '@treekeeper/protocol';
import { createBody, openAcl, setDataBody, setWatchesBody, versionBody } from './bodies.ts';
import { Generator } from './differential/generator.ts';
import { endangersApache } from './differential/requests.ts';
import { Random } from './random.ts';
import { handshakeFrame, RawConnection, requestFrame } from './raw-client.ts';
import { Server, superUser } from './servers.ts';
import { Session } from './session.ts';
import type { Checks, Suite } from './suite.ts';

const WORKERS = 6;
const SESSION_TIMEOUT_MS = 4000;
/** Requests that are sent in one piece. */
const BATCH = 60;
const ANSWER_MS_MAX = 15_000;
const MEMORY_MB_MAX = 512;
const CONTROL_LATENCY_MS_MAX = 3000;

export const fuzz: Suite = {
  name: 'fuzz',
  summary: 'malformed frames, handshakes, records and words neither end nor swell the server, nor disturb others',
  async run(options, checks) {
    const settings = { tickTime: 1000, minSessionTimeout: 1000, globalOutstandingLimit: 100_000, snapCount: 50_000 };
    const server = await Server.start({
      flavour: options.server,
      directory: join(options.directory, 'fuzz'),
      settings,
    });
    const control = await Control.start(server);
    const run = new Fuzzer(server, options.seed, options.cases);
    await Promise.all(Array.from({ length: WORKERS }, (_, i) => run.work(i)));
    await control.clean();
    await control.stop();
    checks.that('the server lives', server.alive, () => server.log.slice(-2000));
    for (const fault of [...run.faults, ...control.faults].slice(0, 10)) {
      checks.fail('fuzz', fault);
    }
    if (options.server === 'treekeeper') {
      const directory = join(options.directory, 'killers');
      await checks.part('requests that end a Java server', () => javaKillers(directory, checks));
    }
    const { maxLatencyMs, answers, memoryMbMax } = control;
    checks.that(
      'the control session is answered soon',
      maxLatencyMs < CONTROL_LATENCY_MS_MAX,
      () => `${maxLatencyMs} ms`,
    );
    checks.that('memory stays bounded', memoryMbMax < MEMORY_MB_MAX, () => `${memoryMbMax} MB`);
    await checks.part('all connections are let go', () => connectionsGo(server));
    checks.note(`${run.cases} cases, ${run.refused} of them closed the connection`);
    checks.note(`control session: ${answers} answers, slowest ${maxLatencyMs} ms; memory up to ${memoryMbMax} MB`);
    await server.kill();
  },
};

/** An honest client that knows what every answer must be. */
class Control {
  readonly faults: string[] = [];
  answers = 0;
  maxLatencyMs = 0;
  memoryMbMax = 0;
  readonly #server: Server;
  readonly #session: Session;
  #going = true;
  #running: Promise<void> = Promise.resolve();

  private constructor(server: Server, session: Session) {
    this.#server = server;
    this.#session = session;
  }

  static async start(server: Server): Promise<Control> {
    const session = await Session.open(server.port, { timeoutMs: 20_000 });
    await session.auth(superUser);
    await session.create('/control', null, 0, [{ perms: 31, scheme: 'digest', id: 'nobody:else' }]);
    const control = new Control(server, session);
    control.#running = control.#run();
    return control;
  }

  async #run(): Promise<void> {
    let cleanedAt = Date.now();
    try {
      for (let i = 0; this.#going; i++) {
        const began = performance.now();
        const stat = await this.#session.setData('/control', Buffer.from(String(i)));
        const { data } = await this.#session.getData('/control');
        const tookMs = Math.round(performance.now() - began);
        this.maxLatencyMs = Math.max(this.maxLatencyMs, tookMs);
        if (stat.version !== i + 1 || Buffer.from(data ?? []).toString() !== String(i)) {
          this.faults.push(
            `control: version ${stat.version} and data ${Buffer.from(data ?? []).toString()} after set ${i}`,
          );
        }
        this.answers += 2;
        this.memoryMbMax = Math.max(this.memoryMbMax, Math.round(this.#server.memoryBytes() / 1048576));
        if (Date.now() - cleanedAt > 3000) {
          await this.clean();
          cleanedAt = Date.now();
        }
        await sleep(10);
      }
    } catch (error) {
      this.faults.push(`control session: ${String(error)}`);
    }
  }

  /** Deletes all that is not the server's or ours. */
  async clean(): Promise<void> {
    const { children } = await this.#session.getChildren('/');
    const keep = ['zookeeper', 'control'];
    await Promise.all(children.filter((name) => !keep.includes(name)).map((name) => this.#deleteAll(`/${name}`)));
    await this.#deleteBelow('/zookeeper/quota');
    await this.#session.setAcl('/', openAcl);
  }

  async #deleteBelow(path: string): Promise<void> {
    const { children } = await this.#session.getChildren(path).catch(() => ({ children: [] }));
    await Promise.all(children.map((name) => this.#deleteAll(`${path}/${name}`)));
  }

  async #deleteAll(path: string): Promise<void> {
    await this.#deleteBelow(path);
    // Others may be quicker, or put something new below: the next cleaning gets it.
    await this.#session.call(OpCode.delete, versionBody(path, -1));
  }

  async stop(): Promise<void> {
    this.#going = false;
    await this.#running;
    await this.#session.close().catch(() => {});
  }
}

const interesting = [-1, -2, 0, 1, 7, 0x7fffffff, -0x80000000, 0xfffff, 0x100000, 5_000_000, 0x00ffffff];
const wordList =
  'ruok isro srvr stat conf cons crst srst dump envi wchs wchc wchp mntr dirs hash gtmk stmk lead zzzz'.split(' ');

class Fuzzer {
  cases = 0;
  refused = 0;
  readonly faults: string[] = [];
  readonly #server: Server;
  readonly #seed: number;
  readonly #wanted: number;

  constructor(server: Server, seed: number, wanted: number) {
    this.#server = server;
    this.#seed = seed;
    this.#wanted = wanted;
  }

  async work(worker: number): Promise<void> {
    const random = new Random(this.#seed * 1000 + worker);
    const generator = new Generator(random, () => ({ a: 100n, b: 100n }));
    while (this.cases < this.#wanted && this.#server.alive && this.faults.length < 20) {
      try {
        await random.weighted<() => Promise<void>>([
          [30, () => this.#requests(random, generator)],
          [4, () => this.#frames(random, generator)],
          [6, () => this.#handshakes(random)],
          [3, () => this.#words(random)],
          [3, () => this.#garbage(random)],
          [0.3, () => this.#large(random)],
        ])();
      } catch (error) {
        this.faults.push(`seed ${this.#seed}, worker ${worker}, case ${this.cases}: ${String(error)}`);
      }
    }
  }

  /** Frames of the right length with spoilt contents: everything is answered, or the connection closed. */
  async #requests(random: Random, generator: Generator): Promise<void> {
    const connection = await this.#session();
    const parts: Buffer[] = [];
    for (let i = 1; i <= BATCH; i++) {
      const { opcode, body } = generator.request(i);
      const spoilt = random.chance(0.85) ? mutate(random, body) : body;
      const sent = random.chance(0.03) ? random.between(-13, 120) : opcode;
      if (this.#server.flavour !== 'apache' || !endangersApache(sent, spoilt)) {
        parts.push(requestFrame(i, sent, spoilt));
      }
    }
    this.cases += parts.length;
    parts.push(requestFrame(BATCH + 1, OpCode.closeSession));
    await this.#writeInPieces(connection, Buffer.concat(parts), random);
    await connection.waitForClose(ANSWER_MS_MAX);
    let answered = 0;
    for (let message = connection.take(); message !== null; message = connection.take()) {
      answered += message.kind === 'reply' ? 1 : 0;
    }
    if (answered < parts.length) {
      this.refused++;
    }
  }

  /** Lengths that lie. */
  async #frames(random: Random, generator: Generator): Promise<void> {
    const connection = await this.#session();
    const frames = Array.from({ length: 8 }, (_, i) => requestFrame(i, OpCode.getData, generator.request(i).body));
    const bytes = mutate(random, Buffer.concat(frames));
    this.cases += 8;
    await this.#writeInPieces(connection, bytes, random);
    await sleep(random.below(5));
    connection.destroy();
  }

  async #handshakes(random: Random): Promise<void> {
    const options = {
      protocolVersion: random.pick([0, 77, -1]),
      timeoutMs: random.pick([0, -1, 1000, 0x7fffffff]),
      sessionId: random.pick([0n, 1n, -1n, 0x7fffffffffffffffn]),
      password: random.pick([null, Buffer.alloc(0), random.bytes(16), random.bytes(200)]),
      lastZxidSeen: random.pick([0n, -1n, 0x7fffffffffffffffn]),
      readOnly: random.pick([true, false, undefined]),
    };
    const connection = await this.#stranger();
    const whole = handshakeFrame(options);
    const bytes = random.chance(0.7) ? mutate(random, whole) : whole;
    this.cases++;
    await this.#writeInPieces(connection, bytes, random);
    await sleep(random.below(4));
    connection.destroy();
  }

  async #words(random: Random): Promise<void> {
    const connection = await this.#stranger();
    const word = Buffer.from(random.pick(wordList));
    const bytes = random.weighted([
      [4, word],
      [1, Buffer.concat([word, random.bytes(random.below(40))])],
      [1, word.subarray(0, random.below(4))],
      [1, mutate(random, word)],
    ]);
    this.cases++;
    await this.#writeInPieces(connection, bytes, random);
    await sleep(random.below(4));
    connection.destroy();
  }

  async #garbage(random: Random): Promise<void> {
    const connection = await this.#stranger();
    this.cases++;
    connection.write(random.bytes(random.below(300)));
    await sleep(random.below(3));
    connection.destroy();
  }

  /** Near the limit of a frame: many watches, big data, counts that promise more than there is. */
  async #large(random: Random): Promise<void> {
    const connection = await this.#session();
    const paths = Array.from({ length: random.between(1000, 40_000) }, (_, i) => `/large/${i}`);
    const body = random.pick([
      () => setWatchesBody(0n, [paths, [], []]),
      () => setWatchesBody(0n, [[], paths, []]),
      () => setDataBody('/large', Buffer.alloc(1_000_000)),
      () => createBody('/large', Buffer.alloc(900_000)),
      () => Buffer.concat([Buffer.from('7fffffff', 'hex'), random.bytes(100_000)]),
    ])();
    this.cases++;
    connection.write(requestFrame(1, random.pick([OpCode.setWatches, OpCode.setData, OpCode.create]), body));
    connection.write(requestFrame(2, OpCode.closeSession));
    await connection.waitForClose(ANSWER_MS_MAX);
  }

  /** A connection whose first bytes may be anything. */
  async #stranger(): Promise<RawConnection> {
    const connection = await RawConnection.open(this.#server.port);
    connection.ignoreAnswers();
    return connection;
  }

  async #session(): Promise<RawConnection> {
    const connection = await RawConnection.open(this.#server.port);
    const answer = await connection.handshake({ timeoutMs: SESSION_TIMEOUT_MS, readOnly: false });
    if (answer === null || answer.timeoutMs === 0) {
      throw new Error('an honest handshake was refused');
    }
    return connection;
  }

  async #writeInPieces(connection: RawConnection, bytes: Buffer, random: Random): Promise<void> {
    if (random.chance(0.8)) {
      connection.write(bytes);
      return;
    }
    for (let at = 0; at < bytes.length && !connection.closed; ) {
      const next = Math.min(bytes.length, at + random.between(1, random.pick([3, 50, 2000])));
      connection.write(bytes.subarray(at, next));
      at = next;
      if (random.chance(0.1)) {
        await sleep(0);
      }
    }
  }
}

function mutate(random: Random, bytes: Buffer): Buffer {
  if (bytes.length === 0) {
    return random.bytes(random.below(8));
  }
  const copy = Buffer.from(bytes);
  const at = random.below(copy.length);
  switch (random.below(6)) {
    case 0:
      return copy.subarray(0, at);
    case 1:
      return Buffer.concat([copy, random.bytes(random.between(1, 20))]);
    case 2:
      for (let i = random.between(1, 4); i > 0; i--) {
        copy[random.below(copy.length)] ^= 1 << random.below(8);
      }
      return copy;
    case 3:
      if (copy.length >= 4) {
        copy.writeInt32BE(random.pick(interesting) | 0, Math.min(at, copy.length - 4));
      }
      return copy;
    case 4:
      return Buffer.concat([copy.subarray(0, at), random.bytes(random.below(8)), copy.subarray(at)]);
    default:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(random.below(at + 1))]);
  }
}

/** client-protocol.md §15, traps 43 and 47; createSession; check outside a multi. */
async function javaKillers(directory: string, checks: Checks): Promise<void> {
  // One of its own: fuzzed requests may have changed the root's ACL.
  const server = await Server.start({ flavour: 'treekeeper', directory });
  const session = await Session.open(server.port);
  const { createTTL, create, deleteContainer, createSession, check } = OpCode;
  const err = async (opcode: number, body: Uint8Array): Promise<number> => (await session.call(opcode, body)).err;
  checks.equal(
    'createTTL, plain flags, ttl -1',
    await err(createTTL, createBody('/killer', null, openAcl, 0, -1n)),
    -8,
  );
  const limits = createBody('/zookeeper/quota/zookeeper_limits', Buffer.from('count=1,bytes=1'));
  checks.equal('limits for the root', await err(create, limits), -8);
  await session.create('/lethal', null);
  await session.create('/zookeeper/quota/lethal', null);
  await session.create('/zookeeper/quota/lethal/zookeeper_limits', Buffer.from('count=10,bytes=1000'));
  await session.create('/zookeeper/quota/lethal/zookeeper_stats', Buffer.from('count=0,bytes=0'));
  await session.setData('/zookeeper/quota/lethal/zookeeper_stats', Buffer.from('no statistics'));
  await session.create('/lethal/child', Buffer.from('12345'));
  const { data } = await session.getData('/zookeeper/quota/lethal/zookeeper_stats');
  checks.equal('spoilt statistics are made anew', Buffer.from(data ?? []).toString(), 'count=2,bytes=5');
  await session.create('/spared', null);
  for (const [name, opcode, body] of [
    ['deleteContainer', deleteContainer, Buffer.from('/spared')],
    ['deleteContainer, 3.10', deleteContainer, versionBody('/spared', 0).subarray(0, -4)],
    ['createSession', createSession, Buffer.alloc(4)],
    ['check', check, versionBody('/spared', -1)],
  ] as const) {
    const own = await Session.open(server.port);
    const reply = await own.call(opcode, body).catch(() => null);
    checks.that(`${name} by a client is refused`, reply === null || reply.err !== 0, () => `err ${reply?.err}`);
    own.abandon();
  }
  checks.that('the node that deleteContainer was sent for is there', (await session.exists('/spared')) !== null);
  await session.close();
  await server.stop();
}

/** The server's sockets: after all clients have gone there are few left. */
async function connectionsGo(server: Server): Promise<void> {
  const sockets = (): number => readdirSync(`/proc/${server.pid}/fd`).length;
  for (let i = 0; i < 300 && sockets() > 100; i++) {
    await sleep(100);
  }
  if (sockets() > 100) {
    throw new Error(`${sockets()} files are still open after 30 s`);
  }
}
