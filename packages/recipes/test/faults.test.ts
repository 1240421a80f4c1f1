/** Everything that can be held, while connections break all the time: nobody writes out of turn, nothing is left. */
import type { Client } from '@treekeeper/client';
import { isTreekeeperError, utf8 } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { expect, test } from 'vitest';
import { Random } from '../../interop/src/random.ts';
import { until } from '../../interop/src/recipes/waiting.ts';
import { Election, type Hold, isRecipeError, Lock, ReadWriteLock, Semaphore, TryLock } from '../src/index.ts';

const CLIENTS = 3;
const ROUNDS = 40;

type Acquire = (client: Client, signal: AbortSignal, random: Random) => Promise<Hold>;

interface Case {
  readonly name: string;
  /** Nodes that are to be empty at the end. */
  readonly directories: readonly string[];
  /** How many may hold it at a time. */
  readonly holdersMax: number;
  readonly acquire: Acquire;
}

const patient = { onDisconnect: 'wait' } as const;
const leases = { leases: 2 } as const;
const cases: readonly Case[] = [
  {
    name: 'lock',
    directories: ['/held'],
    holdersMax: 1,
    acquire: (client, signal) => new Lock(client, '/held').acquire({ signal, ...patient }),
  },
  {
    name: 'try-lock',
    directories: ['/held'],
    holdersMax: 1,
    acquire: (client, signal) => new TryLock(client, '/held').acquire({ signal, ...patient }),
  },
  {
    name: 'write lock and downgrade',
    directories: ['/held'],
    holdersMax: 1,
    async acquire(client, signal, random) {
      const write = await new ReadWriteLock(client, '/held').write({ signal, ...patient });
      return random.chance(0.5) ? write : await write.downgrade();
    },
  },
  {
    name: 'semaphore',
    directories: ['/held/leases', '/held/locks'],
    holdersMax: 2,
    acquire: (client, signal) => new Semaphore(client, '/held', leases).acquire({ signal, ...patient }),
  },
  {
    name: 'semaphore (kazoo)',
    directories: ['/held', '/held-__lock__'],
    holdersMax: 2,
    acquire: (client, signal) =>
      new Semaphore(client, '/held', { ...leases, names: 'kazoo' }).acquire({ signal, ...patient }),
  },
  {
    name: 'election',
    directories: ['/held'],
    holdersMax: 1,
    acquire: (client, signal) => new Election(client, '/held').campaign({ data: '', signal, ...patient }),
  },
];

test.each(cases)('$name', { timeout: 60_000 }, async ({ directories, holdersMax, acquire }) => {
  await using server = await startServer();
  const admin = await server.client();
  await admin.create('/log');
  const clients = await Promise.all([...Array(CLIENTS)].map(() => server.client()));
  const isOver = new AbortController();
  const cutting = cutAround(server, clients, new Random(7), isOver.signal);
  const held = await Promise.all(clients.map((client, i) => take(client, new Random(i), acquire)));
  isOver.abort();
  await cutting;
  for (const directory of directories) {
    await until(async () => (await childrenOf(admin, directory)).length === 0);
  }
  const tokens = await tokensIn(admin, '/log');
  const total = held.reduce((sum, count) => sum + count, 0);
  expect(total).toBeGreaterThan(CLIENTS);
  expect(tokens.length).toBeGreaterThan(0);
  if (holdersMax === 1) {
    expect(tokens).toEqual(tokens.toSorted((a, b) => (a < b ? -1 : 1)));
  }
});

/** Takes it again and again, now and then without patience; answers how often it held. */
async function take(client: Client, random: Random, acquire: Acquire): Promise<number> {
  let held = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const controller = new AbortController();
    const acquiring = acquire(client, controller.signal, random);
    if (random.chance(0.3)) {
      setImmediate(() => controller.abort());
    }
    try {
      const hold = await acquiring;
      held++;
      await hold.guarded
        .create('/log/entry-', String(hold.token), { mode: 'persistent-sequential' })
        .finally(() => hold.release());
    } catch (error) {
      const isExpected =
        isTreekeeperError(error, 'ABORTED') || isTreekeeperError(error, 'CONNECTION_LOSS') || isRecipeError(error);
      if (!isExpected) {
        throw error;
      }
    }
  }
  return held;
}

async function cutAround(
  server: TestServer,
  clients: readonly Client[],
  random: Random,
  isOver: AbortSignal,
): Promise<void> {
  while (!isOver.aborted) {
    const client = random.pick(clients);
    server.cutConnections(client.sessionId);
    for (let turns = random.below(60); turns > 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

async function childrenOf(client: Client, path: string): Promise<string[]> {
  return (await client.exists(path)) === null ? [] : await client.children(path).catch(() => []);
}

async function tokensIn(client: Client, log: string): Promise<bigint[]> {
  const names = (await client.children(log)).sort();
  const values = await Promise.all(names.map((name) => client.get(`${log}/${name}`, { codec: utf8 })));
  return values.map(({ value }) => BigInt(value));
}
