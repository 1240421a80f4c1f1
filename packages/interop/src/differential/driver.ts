import { setTimeout as sleep } from 'node:timers/promises';
import { OpCode } from '@treekeeper/protocol';
import { createBody, emptyBody, openAcl, versionBody } from '../bodies.ts';
import type { Random } from '../random.ts';
import { fourLetterWord, frame } from '../raw-client.ts';
import type { Server } from '../servers.ts';
import { Generator } from './generator.ts';
import { Pair, type Slot, UnexpectedDifference } from './pair.ts';
import { describeRequest, type Request } from './requests.ts';
import { quotaPrefixes } from './vocabulary.ts';
import { compareWords } from './words.ts';

const SLOTS = 5;
const SESSION_TIMEOUT_MS = 600_000;
/** Idle connections are pinged this often, so that no session comes near its timeout. */
const PING_EVERY_STEPS = 3000;
const EXPIRY_POLLS_MAX = 400;

/** One random sequence over both servers: chooses steps, does them, remembers the last ones for the report. */
export class Driver {
  readonly pair: Pair;
  /** Requests sent to each server. */
  requestCount = 0;
  stepCount = 0;
  /** Every step in words. */
  readonly history: string[] = [];
  readonly #random: Random;
  readonly #servers: { a: Server; b: Server };
  readonly #generator: Generator;

  constructor(random: Random, servers: { a: Server; b: Server }) {
    this.#random = random;
    this.#servers = servers;
    this.pair = new Pair({ a: servers.a.port, b: servers.b.port }, SLOTS, servers.b.flavour === 'treekeeper');
    const { sideA, sideB } = this.pair;
    this.#generator = new Generator(random, (count) => {
      const zxid = sideA.canonicalZxid(sideA.maxZxid) - count;
      return { a: sideA.ownZxid(zxid), b: sideB.ownZxid(zxid) };
    });
  }

  /** Runs until so many requests are compared; throws UnexpectedDifference. */
  async run(requests: number): Promise<void> {
    while (this.requestCount < requests) {
      this.stepCount++;
      await this.#step();
      if (this.stepCount % PING_EVERY_STEPS === 0) {
        await this.pair.fence(null, false);
      }
    }
    await this.pair.fence(null, false);
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const slot = random.pick(this.pair.slots);
    if (slot.session === null) {
      await this.#open(slot);
      return;
    }
    if (slot.a === null) {
      await this.#resume(slot);
      return;
    }
    await random.weighted<() => Promise<void>>([
      [1000, () => this.#request(slot)],
      [120, () => this.#burst(slot)],
      [6, () => this.#disconnect(slot)],
      [4, () => this.#refusedHandshake(slot)],
      [4, () => this.#resume(slot)],
      [4, () => this.#close(slot)],
      [4, () => this.#badFrame(slot)],
      [2, () => this.#word()],
      [0.15, () => this.#expire()],
      [0.1, () => this.#restart(slot)],
    ])();
  }

  #note(text: string): void {
    this.history.push(`${this.stepCount}: ${text}`);
  }

  async #open(slot: Slot): Promise<void> {
    const random = this.#random;
    const readOnly = random.weighted([
      [6, { readOnly: false }],
      [1, { readOnly: true }],
      [2, {}],
    ]);
    const odd = random.chance(0.2)
      ? { protocolVersion: 77, password: random.pick([null, Buffer.alloc(0), random.bytes(16), random.bytes(40)]) }
      : {};
    const handshake = { resume: false, timeoutMs: SESSION_TIMEOUT_MS, ...readOnly, ...odd };
    this.#note(`slot ${slot.index}: opens a session ${JSON.stringify(handshake)}`);
    await this.pair.connect(slot, handshake);
    if (random.chance(0.6)) {
      await this.#send(slot, [this.#generator.auth()]);
    }
  }

  async #resume(slot: Slot): Promise<void> {
    const random = this.#random;
    const handshake = {
      resume: true,
      timeoutMs: SESSION_TIMEOUT_MS + random.below(200_000),
      ...random.pick([{}, { readOnly: false }, { readOnly: true }]),
      ...random.pick([{}, { aheadBy: 0n }, { aheadBy: -3n }]),
    };
    this.#note(`slot ${slot.index}: resumes its session, ${slot.a === null ? 'disconnected' : 'connected'}`);
    if (slot.a !== null) {
      await this.pair.requests(slot, [{ opcode: OpCode.ping, body: emptyBody }]);
    }
    await this.pair.connect(slot, handshake);
    if (random.chance(0.4)) {
      await this.#send(slot, [this.#generator.auth()]);
    }
  }

  /** Handshakes that end with no connection. */
  async #refusedHandshake(slot: Slot): Promise<void> {
    const random = this.#random;
    const [what, handshake] = random.pick([
      ['a wrong password', { resume: true, password: random.bytes(16) }],
      ['a short password', { resume: true, password: random.bytes(3) }],
      ['no password', { resume: true, password: null }],
      ['a session nobody has', { resume: false, sessionId: 0x1234567890abcdn, password: random.bytes(16) }],
      ['a zxid from the future', { resume: true, aheadBy: 1000n }],
    ] as const);
    this.#note(`slot ${slot.index}: shakes hands with ${what}`);
    const own = handshake.resume && !('aheadBy' in handshake);
    const { a, b } = slot;
    await this.pair.requests(slot, [{ opcode: OpCode.ping, body: emptyBody }]);
    const accepted = await this.pair.connect(slot, { timeoutMs: SESSION_TIMEOUT_MS, readOnly: false, ...handshake });
    if (accepted) {
      throw new UnexpectedDifference('handshake accepted', `both servers accept ${what}`);
    }
    if (own && a !== null && b !== null) {
      // The older connection goes before the password is looked at.
      await Promise.all([a.waitForClose(5000), b.waitForClose(5000)]);
      this.pair.drop(slot);
    }
  }

  async #disconnect(slot: Slot): Promise<void> {
    this.#note(`slot ${slot.index}: drops its connection`);
    // What came before is compared, and is out of the way of what comes next.
    await this.pair.requests(slot, [{ opcode: OpCode.ping, body: emptyBody }]);
    this.pair.drop(slot);
  }

  async #request(slot: Slot): Promise<void> {
    const request = this.#generator.request(slot.connection);
    if (this.#generator.isExistsProbe(request)) {
      const before = this.#letThrough();
      await this.#send(slot, [this.#generator.withoutWatch(request)]);
      if (this.#letThrough() !== before) {
        return;
      }
    }
    await this.#send(slot, [request]);
  }

  #letThrough(): number {
    return this.pair.letThrough.get('exists-permission') ?? 0;
  }

  async #burst(slot: Slot): Promise<void> {
    await this.#send(slot, this.#generator.burst(slot.connection));
  }

  async #send(slot: Slot, requests: readonly Request[]): Promise<void> {
    for (const request of requests) {
      this.#note(`slot ${slot.index}: ${describeRequest(request)}`);
    }
    this.requestCount += requests.length;
    const items = await this.pair.requests(slot, requests);
    for (const item of items) {
      const path = item.kind === 'reply' ? (item.body as { path?: unknown } | null)?.path : null;
      if (typeof path === 'string' && /\d{10}$/.test(path)) {
        this.#generator.learn(path);
      }
    }
  }

  /** Ephemerals go in no particular order: the events of others are compared as a set. */
  async #close(slot: Slot): Promise<void> {
    this.#note(`slot ${slot.index}: closes its session`);
    this.requestCount++;
    await this.pair.fence(null, false);
    await this.pair.requests(slot, [{ opcode: OpCode.closeSession, body: emptyBody, closes: true }], true);
    slot.session = null;
    await this.pair.fence(null, true);
  }

  async #badFrame(slot: Slot): Promise<void> {
    const bytes = this.#random.pick([
      Buffer.from([0, 0, 0, 0]),
      Buffer.from([0, 0, 0, 4, 0, 0, 0, 1]),
      Buffer.from([0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0x80, 0, 0, 0]),
      Buffer.from([0, 0x10, 0, 0]),
      Buffer.from('ruok'),
      Buffer.from('GET / HTTP/1.0\r\n\r\n'),
      frame((writer) => writer.raw(this.#random.bytes(this.#random.below(8)))),
    ]);
    this.#note(`slot ${slot.index}: sends the bytes ${bytes.toString('hex')}`);
    await this.pair.requests(slot, [{ opcode: OpCode.ping, body: emptyBody }]);
    await this.pair.breakConnection(slot, bytes);
  }

  async #word(): Promise<void> {
    this.#note('four-letter words');
    await compareWords(this.pair, this.#servers.a.port, this.#servers.b.port, this.#random);
  }

  /** A session with the shortest timeout leaves ephemerals behind and is not heard of again. */
  async #expire(): Promise<void> {
    this.#note('a session expires');
    await this.pair.fence(null, false);
    const mortal: Slot = { index: -1, connection: 0, a: null, b: null, session: null, xid: 0, seenByB: 0n };
    await this.pair.connect(mortal, { resume: false, timeoutMs: 0, readOnly: false });
    const paths = ['/a/e1', '/e2', '/e3'];
    await this.pair.requests(
      mortal,
      paths.map((path) => ({ opcode: OpCode.create, body: createBody(path, null, openAcl, 1) })),
    );
    await this.pair.fence(null, false);
    this.pair.drop(mortal);
    for (const server of [this.#servers.a, this.#servers.b]) {
      for (let attempt = 0; (await fourLetterWord(server.port, 'dump')).includes('/e2'); attempt++) {
        if (attempt === EXPIRY_POLLS_MAX) {
          throw new UnexpectedDifference('expiry', `the session still has ephemerals on the ${server.flavour} server`);
        }
        await sleep(25);
      }
    }
    await this.pair.fence(null, true);
  }

  async #restart(slot: Slot): Promise<void> {
    const gently = this.#random.chance(0.5);
    this.#note(`both servers are ${gently ? 'stopped' : 'killed'} and started again`);
    await this.#removeQuotas(slot);
    await this.pair.fence(null, false);
    const { a, b } = this.#servers;
    await Promise.all(gently ? [a.stop(), b.stop()] : [a.kill(), b.kill()]);
    for (const slot of this.pair.slots) {
      this.pair.drop(slot);
    }
    await Promise.all([a.start(), b.start()]);
  }

  /** Apache's quota statistics may be wrong after a restart (see differences.ts): they are made anew after it. */
  async #removeQuotas(slot: Slot): Promise<void> {
    const nodes = quotaPrefixes.flatMap((prefix) => [`${prefix}/zookeeper_limits`, `${prefix}/zookeeper_stats`]);
    const requests = nodes.map((node) => ({ opcode: OpCode.delete, body: versionBody(`/zookeeper/quota${node}`, -1) }));
    await this.#send(slot, requests);
  }
}
