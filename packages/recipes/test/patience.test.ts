/** Who gives up waiting, again and again, on nodes that do not change: no watch stays, and nobody else misses one. */
import type { Client, WatchKind } from '@treekeeper/client';
import { OpCode } from '@treekeeper/protocol';
import { startServer, type TestServer } from '@treekeeper/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../interop/src/recipes/waiting.ts';
import { forever } from '../src/forever.ts';
import { Queue, Semaphore, TwoPhaseCommit } from '../src/index.ts';
import { Submitter, TaskQueue } from '../src/master-worker/index.ts';
import { abortable } from '../src/seat.ts';
import { Vigil } from '../src/vigil.ts';
import { WatchedClient } from './session-end.ts';
import { ToldEvents } from './told-events.ts';

let server: TestServer;
let client: Client;
let other: Client;

beforeAll(async () => {
  server = await startServer();
  [client, other] = [await server.client(), await server.client()];
});

afterAll(() => server[Symbol.asyncDispose]());

const ROUNDS = 5;
/** More round trips than any of these calls needs before it waits. */
const TRIPS = 12;

async function roundTrip(): Promise<void> {
  await client.sync('/', forever).catch(() => undefined); // lost with the connection
}

/** By then everything that was asked, and what came of the answers, is done. */
async function settled(): Promise<void> {
  for (let trip = 0; trip < TRIPS; trip++) {
    await roundTrip();
  }
}

async function giveUp(wait: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const controller = new AbortController();
  const waiting = wait(controller.signal);
  waiting.catch(() => undefined);
  await settled();
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
}

/** Whether the server keeps a watch of this client there: it is asked to remove it, past what the client knows. */
async function isWatched(path: string, kind: WatchKind): Promise<boolean> {
  return await client.removeWatches(path, kind).then(
    () => true,
    () => false,
  );
}

interface Case {
  readonly name: string;
  prepare(): Promise<(signal: AbortSignal) => Promise<unknown>>;
  readonly watched: readonly (readonly [path: string, kind: WatchKind])[];
  /** Something that would tell whoever is left. */
  change(): Promise<unknown>;
}

const jobs = new TaskQueue<number, number>({ path: '/jobs', shards: 1 });
const task = '/jobs/tasks/000/task';

const cases: readonly Case[] = [
  {
    name: 'an item of a queue',
    prepare: async () => (signal) => new Queue(client, '/mails').take({ signal }),
    watched: [
      ['/mails/items', 'children'],
      ['/mails/leases', 'children'],
    ],
    change: () => new Queue(other, '/mails').offer('late'),
  },
  {
    name: 'a lease of a semaphore',
    async prepare() {
      await new Semaphore(other, '/limit', { leases: 1 }).acquire();
      return (signal) => new Semaphore(client, '/limit', { leases: 1 }).acquire({ signal });
    },
    watched: [['/limit/leases', 'children']],
    change: () => other.create('/limit/leases/late'),
  },
  {
    name: 'a decision',
    async prepare() {
      await new TwoPhaseCommit(other, '/decision').begin(['one', 'two']);
      return (signal) => new TwoPhaseCommit(client, '/decision').decision({ signal });
    },
    watched: [['/decision', 'children']],
    change: () => other.create('/decision/late'),
  },
  {
    name: 'the result of a task',
    async prepare() {
      await new Submitter(other, jobs).submit(1, { id: 'task' });
      const submitter = new Submitter(client, jobs);
      return async (signal) => (await submitter.task('task')).result({ signal });
    },
    watched: [[task, 'data']],
    change: async () => other.set(task, (await other.get(task)).value),
  },
  {
    name: 'the progress of a task',
    async prepare() {
      const submitter = new Submitter(client, jobs);
      return async (signal) => {
        for await (const _ of (await submitter.task('task')).progress({ signal })) {
          // none is made
        }
      };
    },
    watched: [
      [task, 'data'],
      ['/jobs/progress/task', 'data'],
    ],
    change: () => other.create('/jobs/progress/task', '1'),
  },
];

test.each(cases)('$name', async ({ prepare, watched, change }) => {
  const wait = await prepare();
  for (let round = 0; round < ROUNDS; round++) {
    await giveUp(wait);
  }
  await settled();
  for (const [path, kind] of watched) {
    expect([path, await isWatched(path, kind)]).toEqual([path, false]);
  }
  using told = new ToldEvents(client);
  await change();
  await client.sync('/');
  expect(watched.map(([path]) => told.of(path))).toEqual(watched.map(() => 0));
});

/** Follows a node until it is told to give up. */
class Waiter {
  seen = -1;
  readonly #controller = new AbortController();
  readonly #ended: Promise<void>;

  constructor(path: string) {
    this.#ended = this.#run(path, this.#controller.signal).catch(() => undefined);
  }

  giveUp(): Promise<void> {
    this.#controller.abort();
    return this.#ended;
  }

  async #run(path: string, signal: AbortSignal): Promise<void> {
    const vigil = new Vigil(client);
    try {
      for (;;) {
        const changed = vigil.next();
        const options = { ...forever, signal };
        const { stat } = await vigil.look(path, 'data', (watch) => client.get(path, { ...options, watch }));
        this.seen = stat.version;
        await abortable(changed, signal, path, () => undefined);
      }
    } finally {
      vigil.takeBack();
    }
  }
}

const step = fc.oneof(
  { weight: 3, arbitrary: fc.constant('come' as const) },
  { weight: 3, arbitrary: fc.constant('go' as const) },
  { weight: 3, arbitrary: fc.constant('change' as const) },
  { weight: 2, arbitrary: fc.constant('wait' as const) },
  { weight: 1, arbitrary: fc.constant('cut' as const) },
);

test('whoever comes while others give up sees every change, and the last one takes the watch along', async () => {
  let path = '';
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      path = `/vigil-${round++}`;
      await other.create(path);
      const waiters = [new Waiter(path)];
      let version = 0;
      for (const each of steps) {
        if (each === 'come') {
          waiters.push(new Waiter(path));
        } else if (each === 'go') {
          await waiters.shift()?.giveUp();
        } else if (each === 'change') {
          ({ version } = await other.set(path, ''));
        } else if (each === 'wait') {
          await roundTrip();
        } else {
          server.cutConnections(client.sessionId);
        }
      }
      await until(async () => {
        await roundTrip();
        return waiters.every(({ seen }) => seen === version);
      });
      await Promise.all(waiters.map((waiter) => waiter.giveUp()));
      await settled();
      expect(await isWatched(path, 'data')).toBe(false);
    }),
    { numRuns: 60 },
  );
});

test('who gives up does not disturb those who wait on', async () => {
  await other.create('/shared');
  const vigils = [new Vigil(client), new Vigil(client)];
  const changes = vigils.map((vigil) => vigil.next());
  for (const vigil of vigils) {
    await vigil.look('/shared', 'data', (watch) => client.get('/shared', { watch }));
  }
  using told = new ToldEvents(client);
  vigils[0]?.takeBack();
  await settled();
  expect(told.of('/shared')).toBe(0);
  await other.set('/shared', '');
  await changes[1];
  expect(told.of('/shared')).toBe(1);
  vigils[1]?.takeBack();
});

test('a watch is taken back on the next connection, if this one is lost', async () => {
  await other.create('/lost');
  const vigil = new Vigil(client);
  await vigil.look('/lost', 'data', (watch) => client.get('/lost', { watch }));
  vigil.takeBack();
  server.cutConnections(client.sessionId);
  await settled();
  await settled();
  expect(await isWatched('/lost', 'data')).toBe(false);
});

test('a watch is taken back in the next session, if this one ends', async () => {
  await other.create('/expired');
  await using watched = await WatchedClient.start(server, { onExpired: 'new-session' });
  const removals: Promise<void>[] = [];
  const told = new Proxy(watched.client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name === 'removeWatches') {
        return (...parameters: Parameters<Client['removeWatches']>) => {
          const removal = target.removeWatches(...parameters);
          removals.push(removal);
          return removal;
        };
      }
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const vigil = new Vigil(told);
  await vigil.look('/expired', 'data', (watch) => told.get('/expired', { watch }));
  const isOver = watched.endDuring(OpCode.removeWatches);
  vigil.takeBack();
  await isOver;
  await Promise.all(removals);
  expect(removals.length).toBe(1);
  await expect(watched.client.removeWatches('/expired', 'data')).rejects.toThrow('NO_WATCHER');
});

test('a watch that stays is the next one’s, too', async () => {
  await other.create('/kept');
  for (let round = 0; round < ROUNDS; round++) {
    const vigil = new Vigil(client);
    await vigil.look('/kept', 'data', (watch) => client.get('/kept', { watch }));
    vigil.leave();
  }
  using told = new ToldEvents(client);
  await other.set('/kept', '');
  await client.sync('/');
  expect(told.of('/kept')).toBe(1);
});
