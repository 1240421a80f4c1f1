/** Work that is divided: items among members, runs of a job among processes. */
import type { Client } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isRecipeError, type Ownership, Partitioner, ScheduledJob } from '../src/index.ts';
import { ownerOf } from '../src/partitioner.ts';

let server: TestServer;
let observer: Client;

beforeAll(async () => {
  server = await startServer();
  observer = await server.client();
});

afterAll(() => server[Symbol.asyncDispose]());

const lasting = (): Promise<Client> => server.client({ onExpired: 'new-session' });
const items = Array.from({ length: 12 }, (_, i) => `item-${i}`);

/** A member that notes who owns what, and when two do. */
class Party {
  readonly owners = new Map<string, string>();
  doubles = 0;
  moves = 0;

  join(client: Client, id: string): { stop(): Promise<void> } {
    const stop = new AbortController();
    const own = async ({ item, signal }: Ownership): Promise<void> => {
      this.doubles += this.owners.has(item) ? 1 : 0;
      this.owners.set(item, id);
      this.moves += 1;
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve, { once: true });
        if (signal.aborted) {
          resolve(null);
        }
      });
      this.owners.delete(item);
    };
    const run = new Partitioner(client, '/parts', { id, items }).run(own, { signal: stop.signal });
    return {
      async stop() {
        stop.abort();
        await run;
      },
    };
  }

  async settled(members: readonly string[]): Promise<void> {
    while (!items.every((item) => this.owners.get(item) === ownerOf(item, members))) {
      await observer.sync('/');
    }
  }
}

test('each item has one owner at a time, whoever comes and goes', async () => {
  const party = new Party();
  const clients = [await lasting(), await lasting(), await lasting()] as const;
  const a = party.join(clients[0], 'a');
  await party.settled(['a']);
  const b = party.join(clients[1], 'b');
  const c = party.join(clients[2], 'c');
  await party.settled(['a', 'b', 'c']);
  const moves = party.moves;
  await b.stop();
  await party.settled(['a', 'c']);
  expect(party.moves - moves).toBe(items.filter((item) => ownerOf(item, ['a', 'b', 'c']) === 'b').length);
  server.cutConnections(clients[2].sessionId);
  await party.settled(['a', 'c']);
  await server.expireSession(clients[2].sessionId);
  await party.settled(['a', 'c']); // it has joined again
  await Promise.all([a.stop(), c.stop()]);
  expect(party.owners.size).toBe(0);
  expect(party.doubles).toBe(0);
});

/** Owns one item, and goes on for as long as it may. */
function owner(client: Client, path: string, id: string) {
  const stop = new AbortController();
  let begin: () => void = () => undefined;
  const owning = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const own = async ({ signal }: Ownership): Promise<void> => {
    begin();
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  };
  const run = new Partitioner(client, path, { id, items: ['item'] }).run(own, { signal: stop.signal });
  run.catch(() => undefined);
  return { owning, run, stop };
}

test('a member whose node an operator removes says so, and has given up its items', async () => {
  const { owning, run } = owner(await lasting(), '/removed', 'a');
  await owning;
  await observer.delete('/removed/members/a');
  await expect(run).rejects.toSatisfy((error) => isRecipeError(error, 'LOST'));
  expect(await observer.children('/removed/items/item')).toEqual([]);
});

test('a member whose name another run takes over ends; the other one goes on', async () => {
  const first = owner(await lasting(), '/taken', 'a');
  await first.owning;
  const second = owner(await lasting(), '/taken', 'a');
  await expect(first.run).rejects.toSatisfy((error) => isRecipeError(error, 'LOST'));
  await second.owning;
  second.stop.abort();
  await second.run;
});

test('a member whose session ends for good says that, and has told its owners', async () => {
  const client = await server.client({ onExpired: 'close' });
  const { owning, run } = owner(client, '/expired', 'a');
  await owning;
  await server.expireSession(client.sessionId);
  await expect(run).rejects.toMatchObject({ code: 'SESSION_EXPIRED' });
});

test('who is told to stop waits for the owner of an item that has gone to another', async () => {
  const [first, second] = ownerOf('item', ['a', 'b']) === 'a' ? ['b', 'a'] : ['a', 'b'];
  const stop = new AbortController();
  const events: string[] = [];
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const signals: AbortSignal[] = [];
  const run = new Partitioner(await lasting(), '/moved', { id: first!, items: ['item'] })
    .run(
      async ({ signal }) => {
        signals.push(signal);
        await finished;
        events.push('finished');
      },
      { signal: stop.signal },
    )
    .then(() => events.push('over'));
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) {
      await observer.sync('/');
    }
  };
  await until(() => signals.length === 1);
  const other = owner(await lasting(), '/moved', second!);
  await until(() => signals[0]!.aborted);
  stop.abort();
  for (let trip = 0; trip < 10; trip++) {
    await observer.sync('/'); // enough for it to have left, if it did not wait
  }
  finish();
  await run;
  expect(events).toEqual(['finished', 'over']);
  await other.owning;
  other.stop.abort();
  await other.run;
});

test('what an owner throws ends its part in it', async () => {
  const run = new Partitioner(await lasting(), '/failing', { id: 'a', items }).run(
    async () => {
      throw new Error('not mine');
    },
    { signal: new AbortController().signal },
  );
  await expect(run).rejects.toThrow('not mine');
});

test('a job runs once for each time, in one of many, and is taken over where it was left', async () => {
  const now = { ms: 1_000_500 };
  const sleepers = new Set<() => void>();
  const clock = {
    now: () => now.ms,
    after(_delayMs: number, call: () => void) {
      sleepers.add(call);
      return { cancel: () => void sleepers.delete(call) };
    },
  };
  const runs: string[] = [];
  const clients = [await lasting(), await lasting()] as const;
  const stop = new AbortController();
  const running = clients.map((client, i) =>
    new ScheduledJob(client, '/job', { intervalMs: 1000, clock }).run(
      async ({ dueMs }) => void runs.push(`${i} ${dueMs}`),
      { signal: stop.signal },
    ),
  );
  const due = async (ms: number, count: number): Promise<void> => {
    now.ms = ms;
    while (runs.length < count || sleepers.size === 0) {
      for (const call of sleepers) {
        sleepers.delete(call);
        call();
      }
      await observer.sync('/');
    }
  };
  await due(1_000_500, 1);
  await due(1_001_200, 2);
  await due(1_005_900, 3); // three were missed: the latest counts
  const [leader] = runs[0]!.split(' ').map(Number);
  expect(runs).toEqual([1_000_000, 1_001_000, 1_005_000].map((time) => `${leader} ${time}`));
  await server.expireSession(clients[leader!]!.sessionId);
  await due(1_006_000, 4);
  expect(runs[3]).toMatch(/ 1006000$/);
  expect(await new ScheduledJob(observer, '/job', { intervalMs: 1000 }).lastMs()).toBe(1_006_000);
  stop.abort();
  await Promise.all(running);
  expect(runs).toHaveLength(4);
});

test('a job that leads for long leaves nothing behind each time', async () => {
  const warnings: string[] = [];
  const onWarning = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', onWarning);
  const stop = new AbortController();
  let nowMs = 1000;
  const clock = {
    now: () => nowMs,
    after(delayMs: number, call: () => void) {
      nowMs += delayMs;
      setImmediate(call);
      return { cancel: () => undefined };
    },
  };
  let runs = 0;
  await new ScheduledJob(await lasting(), '/long', { intervalMs: 1000, clock }).run(
    async () => {
      runs += 1;
      if (runs === 20) {
        stop.abort();
      }
    },
    { signal: stop.signal },
  );
  process.off('warning', onWarning);
  expect([runs, warnings]).toEqual([20, []]);
});

test.each([
  ['at-least-once', 2],
  ['at-most-once', 1],
] as const)('a job that breaks off is run again, or not: %s', async (delivery, expected) => {
  const clock = { now: () => 5_500, after: () => ({ cancel: () => undefined }) };
  const client = await lasting();
  const options = { intervalMs: 1000, delivery, clock };
  let runs = 0;
  const broken = new ScheduledJob(client, `/${delivery}`, options).run(
    async () => {
      runs += 1;
      throw new Error('broken off');
    },
    { signal: new AbortController().signal },
  );
  await expect(broken).rejects.toThrow('broken off');
  const stop = new AbortController();
  const next = new ScheduledJob(client, `/${delivery}`, options).run(
    async () => {
      runs += 1;
    },
    { signal: stop.signal },
  );
  const reader = new ScheduledJob(client, `/${delivery}`, options);
  while (runs < expected || (await reader.lastMs()) !== 5000) {
    await client.sync('/');
  }
  stop.abort();
  await next;
  expect(runs).toBe(expected);
});
