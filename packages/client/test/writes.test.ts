import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { type Client, type ConnectOptions, connect, isTreekeeperError, type RetryPolicy } from '../src/index.ts';
import type { CallOptions, CreateModeName, CreateOptions } from '../src/types.ts';
import { manyTimes } from './support/many-times.ts';
import { type Fate, Wire } from './support/wire.ts';

const SHORT_MS = 20;
const NO_PAUSE: RetryPolicy = { delayMinMs: 0.01, delayMaxMs: 0.02 };

const open: Client[] = [];

async function serve(wire: Wire, options: ConnectOptions = {}): Promise<Client> {
  const resolver = async (): Promise<readonly string[]> => ['10.0.0.1'];
  const client = await connect(manyTimes('a:1'), { transport: wire.transport, resolver, retry: NO_PAUSE, ...options });
  open.push(client);
  return client;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.close({ keepSession: true })));
});

/** Lets what goes on behind the scenes take as many steps as it can need. */
async function settle(client: Client): Promise<void> {
  for (let i = 0; i < 30; i++) {
    await client.exists('/');
  }
}

function protectedNodes(wire: Wire): string[] {
  return [...wire.nodes.keys()].filter((path) => path.includes('_c_'));
}

/** Settles when no protected node is left, however often the removal has to begin anew. */
async function cleared(wire: Wire): Promise<void> {
  while (protectedNodes(wire).length > 0) {
    await new Promise(setImmediate);
  }
}

/** Writes meet these fates in order; the ones behind them are answered. */
function inOrder(...fates: readonly Fate[]): Wire['fate'] {
  const left = [...fates];
  return (isWrite) => (isWrite ? (left.shift() ?? 'answered') : 'answered');
}

type Options = CallOptions;
type Write = (client: Client, options: Options) => Promise<unknown>;

const sequential: readonly CreateModeName[] = ['persistent-sequential', 'ephemeral-sequential'];
const plain: readonly CreateModeName[] = ['persistent', 'ephemeral', 'container'];

function creates(modes: readonly CreateModeName[], how: string, options: CreateOptions): [string, Write][] {
  return [
    ...modes.map((mode): [string, CreateOptions] => [mode, { mode }]),
    ...(modes === plain
      ? [['persistent-ttl', { mode: 'persistent-ttl', ttlMs: 1000 }] as [string, CreateOptions]]
      : [['persistent-sequential-ttl', { mode: 'persistent-sequential-ttl', ttlMs: 1000 }] as [string, CreateOptions]]),
  ].map(([name, mode]) => [
    `create ${name} ${how}`,
    (client, more) =>
      client.create(options.createParents === true ? '/p/new' : '/new', 'x', { ...mode, ...options, ...more }),
  ]);
}

const protectedWrites = new Map<string, Write>([
  ...creates(plain, 'protect', { protect: true }),
  ...creates(sequential, 'protect', { protect: true }),
  ...creates(sequential, 'protect createParents', { protect: true, createParents: true }),
]);
const writes = new Map<string, Write>([
  ...creates(plain, '', {}),
  ...creates(sequential, '', {}),
  ...creates(plain, 'idempotent', { idempotent: true }),
  ...creates(plain, 'idempotent createParents', { idempotent: true, createParents: true }),
  ...protectedWrites,
  ['set', (client, options) => client.set('/a', 'x', options)],
  ['set with a version', (client, options) => client.set('/a', 'x', { ...options, version: 0 })],
  ['set idempotent', (client, options) => client.set('/a', 'x', { ...options, idempotent: true })],
  ['set idempotent, version', (client, options) => client.set('/a', 'x', { ...options, idempotent: true, version: 0 })],
  ['set orCreate', (client, options) => client.set('/new', 'x', { ...options, orCreate: true, idempotent: true })],
  ['delete', (client, options) => client.delete('/a', options)],
  ['delete idempotent', (client, options) => client.delete('/a', { ...options, idempotent: true })],
  ['delete ifExists', (client, options) => client.delete('/a', { ...options, idempotent: true, ifExists: true })],
  ['setAcl', (client, options) => client.setAcl('/a', [], options)],
  ['commit', (client, options) => client.transaction().set('/a', 'x').commit(options)],
  ['reconfig', (client, options) => client.reconfig({ leaving: [1], ...options })],
]);
const reads = new Map<string, Write>([
  ['get', (client, options) => client.get('/a', options)],
  ['exists', (client, options) => client.exists('/a', options)],
  ['children', (client, options) => client.children('/a', options)],
  ['sync', (client, options) => client.sync('/a', options)],
]);

interface Schedule {
  readonly fates: readonly Fate[];
  /** Behind the fates, what is never answered. */
  readonly hang: 'write' | 'read' | 'connect';
  readonly end: 'deadline' | 'abort' | 'close' | 'leave' | 'expiry' | 'new-session';
  readonly retry: 'default' | 'none' | 'all';
}

const retries: Readonly<Record<Schedule['retry'], RetryPolicy | false>> = {
  default: NO_PAUSE,
  none: false,
  all: { ...NO_PAUSE, attemptsMax: 3, when: () => true },
};

const schedule: fc.Arbitrary<Schedule> = fc.record({
  fates: fc.array(fc.constantFrom<Fate>('answered', 'lost', 'dropped', 'NO_AUTH', 'NOT_READ_ONLY', 'THROTTLED_OP'), {
    maxLength: 4,
  }),
  hang: fc.constantFrom('write', 'read', 'connect'),
  end: fc.constantFrom('deadline', 'abort', 'close', 'leave', 'expiry', 'new-session'),
  retry: fc.constantFrom('default', 'none', 'all'),
});

interface Outcome {
  readonly wire: Wire;
  readonly client: Client;
  readonly error: unknown;
  readonly value: unknown;
  /** At the end of the call: writes that came to the server without an answer. */
  readonly unanswered: number;
}

/** Makes the call on a fresh client, and does to it what stands in the schedule. */
async function run(call: Write, { fates, hang, end, retry }: Schedule): Promise<Outcome> {
  const wire = new Wire();
  const client = await serve(wire, { onExpired: end === 'new-session' ? 'new-session' : 'close' });
  await client.create('/a', 'old');
  const aborting = new AbortController();
  const left = [...fates];
  let isEnding = false;
  let brought: Promise<void> = Promise.resolve();
  const isHanging = (what: Schedule['hang']): boolean => {
    if (left.length > 0 || hang !== what || isEnding) {
      return false;
    }
    isEnding = true;
    brought = new Promise<void>(setImmediate).then(bringAbout);
    return true;
  };
  const bringAbout = (): void => {
    switch (end) {
      case 'deadline':
        return; // comes by itself
      case 'abort':
        return aborting.abort(new Error('enough'));
      case 'leave':
        return void client.close({ keepSession: true });
      case 'close':
        void client.close();
        return wire.cut();
      default:
        return wire.cut(); // and the next connection is told
    }
  };
  wire.fate = (isWrite, path) => {
    if (path === '/p') {
      return 'answered'; // a parent: it is the node that counts
    }
    if (isHanging(isWrite ? 'write' : 'read')) {
      return 'held';
    }
    return isWrite ? (left.shift() ?? 'answered') : 'answered';
  };
  const expires = end === 'expiry' || end === 'new-session';
  wire.greeting = (sessionId) => {
    const isLate = isHanging('connect');
    if (expires && isEnding && sessionId !== 0n && sessionId === client.sessionId) {
      return 'gone';
    }
    return isLate ? 'never' : 'welcome';
  };
  const timeoutMs = end === 'deadline' ? SHORT_MS : Number.POSITIVE_INFINITY;
  const options = { timeoutMs, signal: aborting.signal, retry: retries[retry] };
  const outcome = await call(client, options).then(
    (value) => ({ value, error: null }),
    (error: unknown) => ({ value: null, error }),
  );
  const { unanswered } = wire;
  await brought; // the call may not have waited for it
  wire.fate = () => 'answered';
  wire.greeting = () => 'welcome';
  wire.release();
  if (client.state !== 'connected') {
    wire.cut(); // who was never greeted tries again
  }
  return { wire, client, unanswered, ...outcome };
}

describe('whatever becomes of a call', () => {
  const call = (calls: ReadonlyMap<string, Write>): fc.Arbitrary<string> => fc.constantFrom(...calls.keys());

  test('a write is unknown if, and only if, an attempt of it was not answered', async () => {
    await fc.assert(
      fc.asyncProperty(call(writes), schedule, async (name, how) => {
        const { error, unanswered } = await run(writes.get(name) as Write, how);
        if (error !== null) {
          expect(isTreekeeperError(error)).toBe(true);
          expect((error as { retry: string }).retry === 'unknown').toBe(unanswered > 0);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('a read is never unknown', async () => {
    await fc.assert(
      fc.asyncProperty(call(reads), schedule, async (name, how) => {
        const { error } = await run(reads.get(name) as Write, how);
        expect(error).not.toMatchObject({ retry: 'unknown' });
        if (['CONNECTION_LOSS', 'TIMEOUT', 'ABORTED'].some((code) => isTreekeeperError(error) && error.code === code)) {
          expect(error).toMatchObject({ retry: 'safe' });
        }
      }),
      { numRuns: 60 },
    );
  });

  test('a protected create makes one node, or leaves none behind', async () => {
    await fc.assert(
      fc.asyncProperty(call(protectedWrites), schedule, async (name, how) => {
        const { wire, client, error, value } = await run(protectedWrites.get(name) as Write, how);
        if (client.state === 'closed' || client.state === 'expired') {
          return; // nobody is left to clear up
        }
        if (error !== null) {
          return await cleared(wire);
        }
        await settle(client);
        expect(protectedNodes(wire)).toEqual([(value as { path: string }).path]);
      }),
      { numRuns: 100 },
    );
  });
});

describe('a write whose first attempt was lost', () => {
  const away = (wire: Wire): void => {
    wire.greeting = () => 'never';
  };

  test('is unknown when the next step finds no room', async () => {
    const wire = new Wire();
    const client = await serve(wire, { queuedMax: 1, retry: false });
    await client.create('/a');
    wire.fate = inOrder('lost');
    away(wire);
    const lost = client.set('/a', 'x', { idempotent: true });
    while (client.state === 'connected') {
      await new Promise(setImmediate);
    }
    const waiting = client.get('/a'); // takes the only place
    await expect(lost).rejects.toMatchObject({ code: 'QUEUE_FULL', operation: 'set', path: '/a', retry: 'unknown' });
    await client.close({ keepSession: true });
    await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('ends with its signal in the middle of a pause', async () => {
    const wire = new Wire();
    const client = await serve(wire);
    const aborting = new AbortController();
    wire.fate = inOrder('dropped');
    const pauseMs = 1_000_000_000;
    const retry = { delayMinMs: pauseMs, delayMaxMs: pauseMs };
    const lost = client.create('/a', 'x', { idempotent: true, retry, signal: aborting.signal, timeoutMs: Infinity });
    while (wire.connections < 2) {
      await new Promise(setImmediate);
    }
    aborting.abort();
    await expect(lost).rejects.toMatchObject({ code: 'ABORTED', retry: 'unknown' });
    await client.exists('/'); // connected again: what comes now is sent before any time has passed
    const late = client.create('/a', 'x', { idempotent: true, retry, timeoutMs: SHORT_MS });
    wire.fate = inOrder('dropped');
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT', retry: 'unknown' });
  });

  test('is unknown when the program has it repeated, and the transaction is refused then', async () => {
    const wire = new Wire();
    const client = await serve(wire);
    await client.create('/a');
    wire.fate = inOrder('lost');
    const commit = client
      .transaction()
      .set('/a', 'x', { version: 0 })
      .commit({ retry: { ...NO_PAUSE, when: () => true } });
    await expect(commit).rejects.toMatchObject({ code: 'BAD_VERSION', failedIndex: 0, retry: 'unknown' });
  });

  test('is found again also if the program has everything repeated', async () => {
    const wire = new Wire();
    const client = await serve(wire, { retry: { ...NO_PAUSE, when: () => true } });
    wire.fate = inOrder('lost');
    expect(await client.create('/a', 'x', { idempotent: true })).toMatchObject({ path: '/a' });
    wire.fate = inOrder('lost');
    expect(await client.set('/a', 'y', { idempotent: true, version: 0 })).toMatchObject({ version: 1 });
    wire.fate = inOrder('lost');
    await client.delete('/a', { idempotent: true });
    expect(wire.writes).toBe(3);
  });

  test('leaves no protected node, however long the servers are away', async () => {
    const wire = new Wire();
    const client = await serve(wire, { requestTimeoutMs: SHORT_MS });
    wire.fate = inOrder('lost');
    wire.greeting = () => 'busy';
    await expect(client.create('/a', 'x', { protect: true })).rejects.toMatchObject({
      code: 'TIMEOUT',
      retry: 'unknown',
    });
    await expect(client.exists('/')).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(protectedNodes(wire)).toHaveLength(1);
    wire.greeting = () => 'welcome';
    await cleared(wire);
  });
});

describe('a call that has failed', () => {
  test('is safe when nothing was sent, or the server has refused it', async () => {
    const wire = new Wire();
    const client = await serve(wire, { retry: false });
    wire.fate = inOrder('NOT_READ_ONLY');
    await expect(client.create('/a')).rejects.toMatchObject({ code: 'NOT_READ_ONLY', retry: 'safe' });
    await expect(client.create('/a', '', { signal: AbortSignal.abort() })).rejects.toMatchObject({ retry: 'safe' });
    wire.greeting = () => 'never';
    wire.cut();
    const unsent = client.create('/a', 'x', { timeoutMs: SHORT_MS, protect: true });
    await expect(unsent).rejects.toMatchObject({ code: 'TIMEOUT', retry: 'safe' });
    expect(wire.writes).toBe(1);
  });

  test('is safe when it is aborted in the pause behind a refusal', async () => {
    const wire = new Wire();
    const pauseMs = 1_000_000_000;
    const client = await serve(wire, { retry: { delayMinMs: pauseMs, delayMaxMs: pauseMs, when: () => true } });
    wire.fate = inOrder('THROTTLED_OP');
    const aborting = new AbortController();
    const refused = client.create('/a', '', { signal: aborting.signal, timeoutMs: Number.POSITIVE_INFINITY });
    await client.exists('/'); // answered behind it
    aborting.abort();
    await expect(refused).rejects.toMatchObject({ code: 'ABORTED', retry: 'safe' });
  });

  test('is safe when it was a read, whatever an earlier attempt of it met', async () => {
    const wire = new Wire();
    const client = await serve(wire, { retry: { ...NO_PAUSE, when: () => true } });
    const aborting = new AbortController();
    let requests = 0;
    wire.fate = () => {
      if (++requests === 1) {
        return 'SYSTEM_ERROR';
      }
      setImmediate(() => aborting.abort());
      return 'held';
    };
    const read = client.get('/', { timeoutMs: Number.POSITIVE_INFINITY, signal: aborting.signal });
    await expect(read).rejects.toMatchObject({ code: 'ABORTED', retry: 'safe' });
  });

  test('fails with what the program’s own `when` throws, and the client goes on', async () => {
    const wire = new Wire();
    const client = await serve(wire);
    const when = (): never => {
      throw new RangeError('no idea');
    };
    await expect(client.get('/nowhere', { retry: { when } })).rejects.toThrow('no idea');
    expect(await client.exists('/')).not.toBeNull();
  });
});

describe('a call that is refused in passing', () => {
  const text = async (client: Client, path: string): Promise<string> =>
    Buffer.from((await client.get(path)).value).toString();

  test('is not repeated when it writes: later writes would be undone', async () => {
    const wire = new Wire();
    const client = await serve(wire, { inFlightMax: 1, queuedMax: 1 });
    await client.create('/a');
    wire.fate = inOrder('held');
    const first = [client.set('/a', '1'), client.set('/a', '2')];
    const refused = client.set('/a', '3').catch((error: unknown) => error);
    while (wire.writes < 2) {
      await new Promise(setImmediate); // the first one comes to the server
    }
    wire.release();
    await Promise.all(first);
    await client.set('/a', '4');
    expect(await refused).toMatchObject({ code: 'QUEUE_FULL', retry: 'safe' });
    expect(await text(client, '/a')).toBe('4');
  });

  test.each([...writes])('%s: is repeated by nobody but reconfig, and safe', async (name, write) => {
    const wire = new Wire();
    const client = await serve(wire);
    await client.create('/a');
    wire.writes = 0;
    wire.fate = inOrder('THROTTLED_OP');
    const outcome = await write(client, {}).catch((error: unknown) => error);
    if (name === 'reconfig') {
      expect([outcome, wire.writes]).toEqual([expect.objectContaining({ version: 1n }), 2]);
    } else {
      expect(outcome).toMatchObject({ code: 'THROTTLED_OP', retry: 'safe' });
      expect(wire.writes).toBe(1);
    }
  });

  test('is repeated when it reads, when the program says so, and where order does not matter', async () => {
    const wire = new Wire();
    const client = await serve(wire);
    await client.create('/a', 'x');
    await client.create('/a/b');
    const throttled = new Set(['/a']);
    wire.fate = (_, path) => (throttled.delete(path) ? 'THROTTLED_OP' : 'answered');
    expect(await text(client, '/a')).toBe('x');
    throttled.add('/a');
    const { version } = await client.set('/a', 'y', { retry: { ...NO_PAUSE, when: ({ retry }) => retry === 'safe' } });
    expect(version).toBe(1);
    wire.fate = inOrder('THROTTLED_OP', 'THROTTLED_OP');
    expect(await client.deleteRecursive('/a')).toBe(2);
  });
});

test('bytes are what they were when the call was made, also in a later attempt', async () => {
  const wire = new Wire();
  const client = await serve(wire);
  const value = Buffer.from('meant');
  wire.fate = inOrder('dropped');
  const made = client.create('/a', value, { idempotent: true });
  const changed = client.transaction().create('/b', value);
  value.fill('x');
  await made;
  expect(Buffer.from((await client.get('/a')).value).toString()).toBe('meant');
  await changed.commit();
  expect(Buffer.from((await client.get('/b')).value).toString()).toBe('meant');
});
