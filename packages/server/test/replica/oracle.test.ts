/** Random pipelines of several sessions, every answer and the whole tree held against the obvious model. */
import { OpCode } from '@treekeeper/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { Model, type ModelWrite, type Outcome } from './model.ts';
import {
  check,
  closeSession,
  create,
  create2,
  createContainer,
  createTTL,
  exists,
  getAllChildrenNumber,
  getChildren2,
  getData,
  getEphemerals,
  multi,
  ping,
  type Request,
  type Result,
  remove,
  setACL,
  setData,
} from './requests.ts';
import { type TestClient, TestServer, worldAcl } from './support.ts';

type Read = { op: 'getData' | 'exists' | 'children' | 'count' | 'ephemerals'; path: string };
type Op = ModelWrite | Read;
type Step =
  | { kind: 'group'; requests: { client: number; op: Op }[] }
  | { kind: 'time'; ms: number }
  | { kind: 'expire'; client: number }
  | { kind: 'restart' };

const SESSIONS = 2;

// Few names, and one above all, so that operations meet.
const path = fc.oneof(
  { weight: 6, arbitrary: fc.constant('/a') },
  {
    weight: 8,
    arbitrary: fc
      .array(fc.constantFrom('a', 'a', 'a', 'b', 'é'), { minLength: 1, maxLength: 3 })
      .map((names) => `/${names.join('/')}`),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('/', '/zookeeper', '/zookeeper/config', '/zookeeper/config/x', '/zookeeper/a'),
  },
  { weight: 1, arbitrary: fc.constantFrom('', 'a', '/a/', '/a//b', '/a/.', '/..', '/zookeeper/quota') },
);
const data = fc.option(fc.constantFrom('', 'x', 'longer data', 'é'), { nil: null });
const version = fc.oneof(fc.constant(-1), fc.nat(3), fc.constant(-2));

const single: fc.Arbitrary<ModelWrite> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('create' as const),
      opcode: fc.constantFrom(OpCode.create, OpCode.create2, OpCode.createContainer, OpCode.createTTL),
      path,
      data,
      flags: fc.constantFrom(0, 0, 1, 1, 1, 2, 3, 5, 6),
      ttl: fc.constantFrom(0n, 1_000_000n),
    }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('delete' as const), path, version }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('setData' as const), path, data, version }) },
);
const checkPart = fc.record({ op: fc.constant('check' as const), path, version });
const write: fc.Arbitrary<ModelWrite> = fc.oneof(
  { weight: 10, arbitrary: single },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('setACL' as const), path, version }) },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('multi' as const),
      parts: fc.array(fc.oneof({ weight: 4, arbitrary: single }, { weight: 1, arbitrary: checkPart }), {
        maxLength: 5,
      }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('closeSession' as const) }) },
);
const read: fc.Arbitrary<Op> = fc.record({
  op: fc.constantFrom(
    'getData' as const,
    'exists' as const,
    'children' as const,
    'count' as const,
    'ephemerals' as const,
  ),
  path,
});
const request = fc.record({
  client: fc.nat(SESSIONS - 1),
  op: fc.oneof({ weight: 3, arbitrary: write }, { weight: 1, arbitrary: read }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('group' as const),
      requests: fc.array(request, { maxLength: 16, size: 'max' }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const), client: fc.nat(SESSIONS - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

function writeRequest(of: ModelWrite): Request {
  switch (of.op) {
    case 'create': {
      const { path, data, flags, ttl } = of;
      switch (of.opcode) {
        case OpCode.create:
          return create(path, { data, flags });
        case OpCode.create2:
          return create2(path, { data, flags });
        case OpCode.createContainer:
          return createContainer(path, { data, flags });
        default:
          return createTTL(path, ttl, { data, flags });
      }
    }
    case 'delete':
      return remove(of.path, of.version);
    case 'setData':
      return setData(of.path, of.data, of.version);
    case 'check':
      return check(of.path, of.version);
    case 'setACL':
      return setACL(of.path, [worldAcl(31)], of.version);
    case 'multi':
      return multi(...of.parts.map(writeRequest));
    case 'closeSession':
      return closeSession();
  }
}

function readRequest(of: Read): Request {
  const requests = { getData, exists, children: getChildren2, count: getAllChildrenNumber, ephemerals: getEphemerals };
  return requests[of.op](of.path);
}

function isRead(op: Op): op is Read {
  return ['getData', 'exists', 'children', 'count', 'ephemerals'].includes(op.op);
}

function expectedRead(model: Model, { op, path: asked }: Read, session: bigint): Outcome {
  const path = asked === '' ? '/' : asked;
  const node = model.nodes.get(path);
  if (node === undefined && op !== 'ephemerals') {
    return { err: -101 };
  }
  switch (op) {
    case 'ephemerals': {
      const all = model.ephemeralsOf(session);
      return { err: 0, children: all.filter((one) => path === '/' || one.startsWith(path)).sort() };
    }
    case 'getData':
      return { err: 0, data: node?.data ?? null, stat: model.stat(path) };
    case 'exists':
      return { err: 0, stat: model.stat(path) };
    case 'children':
      return { err: 0, children: model.childrenOf(path), stat: model.stat(path) };
    case 'count': {
      const prefix = path === '/' ? '/' : `${path}/`;
      const below = [...model.nodes.keys()].filter((one) => one.startsWith(prefix) && one !== '/');
      return { err: 0, number: below.length };
    }
  }
}

/** An answer in the model's terms. */
function outcomeOf(err: number, value: unknown): Outcome {
  if (err !== 0 || value === undefined) {
    return { err };
  }
  if (Array.isArray(value)) {
    return { err, results: (value as Result[]).map(({ type: _, ...result }) => result) };
  }
  const { path, stat, data, children, ephemerals, totalNumber } = value as Record<string, never>;
  const outcome: Record<string, unknown> = { err, path, stat, number: totalNumber };
  if (data !== undefined) {
    outcome['data'] = data === null ? null : Buffer.from(data).toString();
  }
  if (children !== undefined || ephemerals !== undefined) {
    outcome['children'] = [...((children ?? ephemerals) as string[])].sort();
  }
  return Object.fromEntries(Object.entries(outcome).filter(([, one]) => one !== undefined)) as unknown as Outcome;
}

class Run {
  /** Containers and TTL nodes stay: when they would go is not the model's business. */
  readonly server = new TestServer({ replica: { reaper: { ...simulatedOptions.reaper, checkIntervalMs: 1e12 } } });
  model = new Model();
  clients: TestClient[] = [];
  zxid = 0;

  constructor() {
    for (let i = 0; i < SESSIONS; i++) {
      this.#newClient(i);
    }
  }

  #newClient(i: number): void {
    this.clients[i] = this.server.client({ timeoutMs: 40_000 });
    this.zxid++;
  }

  step(of: Step): void {
    switch (of.kind) {
      case 'time':
        this.server.advance(of.ms);
        return;
      case 'expire':
        this.#expire(of.client);
        return;
      case 'restart':
        this.server.restart();
        this.clients = this.clients.map((client) => client.resume());
        this.checkTree();
        return;
      case 'group':
        this.#group(of.requests);
    }
  }

  /** One client falls silent; the others go on. */
  #expire(silent: number): void {
    const { sessionId } = this.clients[silent];
    for (let ms = 0; ms < 42_000; ms += 6000) {
      this.server.advance(6000, 3000);
      this.clients.filter((_, i) => i !== silent).forEach((client) => client.get(ping()));
    }
    expect(this.clients[silent].closed).toBe(true);
    this.zxid++;
    this.model.write({ op: 'closeSession' }, sessionId, this.zxid, this.server.world.clock.wallMs);
    this.#newClient(silent);
  }

  /** Sends everything in one turn: writes are ordered as sent, reads see what their connection has written. */
  #group(requests: { client: number; op: Op }[]): void {
    const before = { model: this.model.copy(), zxid: this.zxid };
    const seen = this.clients.map(() => before);
    const closed = new Set<number>();
    const expected: { client: number; xid: number; zxid: number; outcome: Outcome; request: Request }[] = [];
    for (const { client, op } of requests) {
      if (closed.has(client)) {
        continue;
      }
      const { sessionId } = this.clients[client];
      const wire = isRead(op) ? readRequest(op) : writeRequest(op);
      const xid = this.clients[client].send(wire);
      let outcome: Outcome;
      if (isRead(op)) {
        outcome = expectedRead(seen[client].model, op, sessionId);
      } else {
        this.zxid++;
        outcome = this.model.write(op, sessionId, this.zxid, this.server.world.clock.wallMs);
        seen[client] = { model: this.model.copy(), zxid: this.zxid };
      }
      expected.push({ client, xid, zxid: seen[client].zxid, outcome, request: wire });
      if (op.op === 'closeSession') {
        closed.add(client);
      }
    }
    this.server.settle();
    this.clients.forEach((client, i) =>
      this.#compare(
        client,
        expected.filter((one) => one.client === i),
      ),
    );
    for (const client of closed) {
      expect(this.clients[client].closed).toBe(true);
      this.#newClient(client);
    }
  }

  #compare(client: TestClient, expected: { xid: number; zxid: number; outcome: Outcome; request: Request }[]): void {
    const replies = client.answers(expected.map(({ request }) => request));
    expect(replies.map(({ xid, zxid, err, value }) => ({ xid, zxid, outcome: outcomeOf(err, value) }))).toEqual(
      expected.map(({ xid, zxid, outcome }) => ({ xid, zxid, outcome })),
    );
  }

  checkTree(): void {
    const [client] = this.clients;
    expect(this.server.replica.world.tree.nodeCount).toBe(this.model.nodes.size);
    for (const [path, { data }] of this.model.nodes) {
      const read = client.get(getData(path));
      expect({ path, stat: read.stat }).toEqual({ path, stat: this.model.stat(path) });
      expect(read.data === null ? null : Buffer.from(read.data).toString()).toBe(data);
    }
  }
}

test('any pipelines, closes, expiries and restarts: every answer is the model’s, and so is the tree', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25, size: 'max' }), (steps) => {
      const run = new Run();
      for (const one of steps) {
        run.step(one);
      }
      run.checkTree();
    }),
    { numRuns: 120 },
  );
}, 60_000);
