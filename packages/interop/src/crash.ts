/** kill -9 at random moments under write load: what was acknowledged is there, and nothing but what was sent. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateMode, OpCode, sequenceSuffix } from '@treekeeper/protocol';
import { createBody, type MultiOp, multiBody, openAcl, setDataBody, versionBody } from './bodies.ts';
import { Random } from './random.ts';
import { Server } from './servers.ts';
import { ConnectionLost, Session } from './session.ts';
import type { Checks, Suite } from './suite.ts';

const LANES = 6;
/** Writes of one lane on their way at a time. */
const WINDOW = 16;
const SESSION_TIMEOUT_MS = 60_000;
const LOAD_MS_MAX = 500;
/** All earlier rounds are read again this often. */
const FULL_CHECK_ROUNDS = 25;

export const crash: Suite = {
  name: 'crash',
  summary: 'kill -9 at random moments under write load loses no acknowledged write',
  async run(options, checks) {
    const random = new Random(options.seed);
    const settings = { snapCount: 300, maxSessionTimeout: 600_000, preAllocSize: 64 };
    const server = await Server.start({
      flavour: options.server,
      directory: join(options.directory, 'crash'),
      settings,
    });
    const past: Lane[] = [];
    let acknowledged = 0;
    const opener = await Session.open(server.port);
    await opener.create('/crash', null);
    await opener.close();
    for (let round = 0; round < options.kills; round++) {
      const lanes = await load(server, round, random.between(5, LOAD_MS_MAX), random, checks);
      if (random.chance(0.15)) {
        // A crash while it recovers from the crash.
        server.launch();
        await sleep(random.between(1, 300));
        await server.kill();
      }
      await server.start();
      await verify(server, lanes, checks);
      past.push(...lanes);
      acknowledged += lanes.reduce((sum, lane) => sum + lane.acknowledged, 0);
      if (round % FULL_CHECK_ROUNDS === FULL_CHECK_ROUNDS - 1) {
        await verify(server, past, checks);
      }
    }
    await checks.part('SIGTERM under load', () => stopUnderLoad(server, options.kills, past, checks));
    checks.note(`${options.kills} times killed, ${acknowledged} writes acknowledged`);
    await server.kill();
  },
};

/** Writes for so long, then kills the server. */
async function load(server: Server, round: number, ms: number, random: Random, checks: Checks): Promise<Lane[]> {
  const lanes = Array.from({ length: LANES }, (_, i) => new Lane(round, i, random));
  const running = lanes.map((lane) => lane.run(server.port));
  await sleep(ms);
  await server.kill();
  await Promise.all(running);
  for (const { refused } of lanes) {
    if (refused !== null) {
      checks.fail(`round ${round}`, refused);
    }
  }
  return lanes;
}

async function verify(server: Server, lanes: readonly Lane[], checks: Checks): Promise<void> {
  const reader = await Session.open(server.port);
  for (const lane of lanes) {
    const fault = await lane.fault(reader, server.port);
    checks.that(`${lane.root}`, fault === null, () => fault ?? '');
  }
  const next = await reader.call(OpCode.setData, setDataBody('/crash', null));
  for (const { lastZxid } of lanes) {
    checks.that('zxids go on', next.zxid > lastZxid, () => `zxid ${next.zxid} after ${lastZxid} had been acknowledged`);
  }
  await reader.close();
}

async function stopUnderLoad(server: Server, round: number, past: Lane[], checks: Checks): Promise<void> {
  const random = new Random(round);
  const lanes = Array.from({ length: LANES }, (_, i) => new Lane(round, i, random));
  const running = lanes.map((lane) => lane.run(server.port));
  await sleep(300);
  const ms = await server.stop();
  checks.that('SIGTERM ends the server within 5 s', ms < 5000, () => `it took ${ms} ms`);
  if (server.flavour === 'treekeeper') {
    checks.equal('exit status after SIGTERM', await server.exited(), 0);
  }
  await Promise.all(running);
  await server.start();
  await verify(server, lanes, checks);
  await verify(server, past, checks);
}

interface Write {
  readonly opcode: number;
  readonly body: Uint8Array;
}

/** What the tree below a lane's root is after so many of its writes. */
class Expected {
  rootVersion = -1;
  rootData = '';
  hasEphemeral = false;
  readonly children = new Map<string, string>();
  #created = 0;

  #create(name: string, data: string): void {
    this.children.set(name, data);
    this.#created++;
  }

  #setRoot(data: string): void {
    this.rootData = data;
    this.rootVersion++;
  }

  /** Carries out write number `i`; returns what to send for it. The lanes' writes are all of this pattern. */
  write(lane: Lane, i: number): Write {
    const data = String(i);
    const bytes = Buffer.from(data);
    const { root, ephemeral } = lane;
    if (i === 0) {
      this.#setRoot('');
      return { opcode: OpCode.create, body: createBody(root, Buffer.alloc(0)) };
    }
    if (i === 1) {
      this.hasEphemeral = true;
      return { opcode: OpCode.create, body: createBody(ephemeral, null, openAcl, CreateMode.ephemeral) };
    }
    switch ((i - 2) % 6) {
      case 0:
      case 1:
        this.#create(`n${i}`, data);
        return { opcode: OpCode.create, body: createBody(`${root}/n${i}`, bytes) };
      case 2:
        this.#setRoot(data);
        return { opcode: OpCode.setData, body: setDataBody(root, bytes) };
      case 3:
        return { opcode: OpCode.multi, body: multiBody(this.#multi(root, i)) };
      case 4:
        this.children.delete(`n${i - 4}`);
        return { opcode: OpCode.delete, body: versionBody(`${root}/n${i - 4}`, -1) };
      default: {
        const flags = CreateMode.persistentSequential;
        this.#create(`s${sequenceSuffix(this.#created)}`, data);
        return { opcode: OpCode.create, body: createBody(`${root}/s`, bytes, openAcl, flags) };
      }
    }
  }

  #multi(root: string, i: number): MultiOp[] {
    const data = String(i);
    this.#create(`a${i}`, data);
    this.#create(`b${i}`, data);
    this.#setRoot(data);
    return [
      { type: OpCode.create, body: createBody(`${root}/a${i}`, Buffer.from(data)) },
      { type: OpCode.create, body: createBody(`${root}/b${i}`, Buffer.from(data)) },
      { type: OpCode.setData, body: setDataBody(root, Buffer.from(data)) },
    ];
  }

  /** As one text, to be compared. */
  text(): string {
    const names = [...this.children.keys()].sort();
    return JSON.stringify([
      this.rootVersion,
      this.rootData,
      this.hasEphemeral,
      names.map((n) => [n, this.children.get(n)]),
    ]);
  }
}

/**
 * One session and the writes it sends, in a fixed pattern and pipelined. Since a session's writes take effect in order,
 * the tree must show exactly the first k of them, k between those acknowledged and those sent.
 */
class Lane {
  readonly root: string;
  readonly ephemeral: string;
  sent = 0;
  acknowledged = 0;
  lastZxid = 0n;
  /** A write that the server refused, though nothing was wrong with it. */
  refused: string | null = null;
  #session: Session | null = null;
  /** How many writes are there, once that is settled by looking. */
  #settled: number | null = null;
  readonly #pauseChance: number;
  readonly #random: Random;

  constructor(round: number, index: number, random: Random) {
    this.root = `/crash/${round}-${index}`;
    this.ephemeral = `/crash/e${round}-${index}`;
    this.#random = random;
    this.#pauseChance = random.pick([0, 0, 0.05]);
  }

  /** Writes until the connection is lost. */
  async run(port: number): Promise<void> {
    try {
      const session = await Session.open(port, { timeoutMs: SESSION_TIMEOUT_MS });
      this.#session = session;
      const pattern = new Expected();
      const replies: Promise<void>[] = [];
      while (!session.lost) {
        const { opcode, body } = pattern.write(this, this.sent++);
        replies.push(session.call(opcode, body).then((reply) => this.#acknowledge(reply.err, reply.zxid)));
        replies[replies.length - 1].catch(() => {});
        if (replies.length >= WINDOW) {
          await replies.shift();
        }
        if (this.#random.chance(this.#pauseChance)) {
          await sleep(1);
        }
      }
    } catch (error) {
      if (!(error instanceof ConnectionLost) && (error as NodeJS.ErrnoException).code === undefined) {
        throw error;
      }
    }
  }

  #acknowledge(err: number, zxid: bigint): void {
    if (err !== 0) {
      this.refused ??= `write ${this.acknowledged} of ${this.root} was refused: ${err}`;
    }
    this.acknowledged++;
    this.lastZxid = zxid;
  }

  /** What is wrong with the tree, or null. The first look also ends the session, which must have survived. */
  async fault(reader: Session, port: number): Promise<string | null> {
    const found = await this.#look(reader);
    const [least, most] = this.#settled === null ? [this.acknowledged, this.sent] : [this.#settled, this.#settled];
    const expected = new Expected();
    for (let k = 0; k <= most; k++) {
      if (k >= least && (k === 0 ? found === null : found?.text() === this.#textAfter(expected))) {
        this.#settled = k;
        return this.#session === null || k < 2 ? null : this.#endSession(port);
      }
      expected.write(this, k);
    }
    const counted = `${this.acknowledged} writes acknowledged, ${this.sent} sent`;
    return `${counted}; the tree is that of no number between: ${(found?.text() ?? 'no node').slice(0, 500)}`;
  }

  #textAfter(expected: Expected): string {
    expected.hasEphemeral &&= this.#session !== null;
    return expected.text();
  }

  async #look(reader: Session): Promise<Expected | null> {
    const stat = await reader.exists(this.root);
    if (stat === null) {
      return null;
    }
    const found = new Expected();
    const { data } = await reader.getData(this.root);
    found.rootVersion = stat.version;
    found.rootData = Buffer.from(data ?? []).toString();
    found.hasEphemeral = (await reader.exists(this.ephemeral)) !== null;
    const { children } = await reader.getChildren(this.root);
    const all = await Promise.all(children.map((name) => reader.getData(`${this.root}/${name}`)));
    for (const [i, name] of children.entries()) {
      found.children.set(name, Buffer.from(all[i].data ?? []).toString());
    }
    return found;
  }

  async #endSession(port: number): Promise<string | null> {
    const { id, password } = this.#session as Session;
    this.#session = null;
    try {
      const resumed = await Session.open(port, { sessionId: id, password, timeoutMs: SESSION_TIMEOUT_MS });
      const stat = await resumed.exists(this.ephemeral);
      await resumed.close();
      return stat?.ephemeralOwner === id ? null : `${this.ephemeral} is not its session's`;
    } catch (error) {
      return `the session did not survive: ${String(error)}`;
    }
  }
}
