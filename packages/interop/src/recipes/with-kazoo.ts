/** Our recipes and kazoo's on the same paths: what one holds, the other waits for. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, connect, utf8 } from '@treekeeper/client';
import { Counter, Election, type Hold, Lock, ReadWriteLock, Semaphore } from '@treekeeper/recipes';
import { repositoryRoot } from '../servers.ts';
import type { Checks } from '../suite.ts';

const ROUNDS = 15;
const SCRIPT_MS_MAX = 180_000;

interface Contest {
  /** As python/contend.py calls it. */
  readonly recipe: string;
  readonly insideMax: number;
  acquire(client: Client, round: number): Promise<Hold>;
}

const contests: readonly Contest[] = [
  {
    recipe: 'lock',
    insideMax: 1,
    acquire: (client) => new Lock(client, '/contended', { names: 'kazoo' }).acquire({ data: 'ours' }),
  },
  {
    recipe: 'lock-curator',
    insideMax: 1,
    acquire: (client) => new Lock(client, '/contended').acquire({ data: 'ours' }),
  },
  {
    recipe: 'write',
    insideMax: 1,
    acquire: async (client, round) => {
      const lock = new ReadWriteLock(client, '/contended', { names: 'kazoo' });
      const hold = await lock.write({ data: 'ours' });
      return round % 2 === 0 ? hold : await hold.downgrade();
    },
  },
  {
    recipe: 'semaphore',
    insideMax: 2,
    acquire: (client) => new Semaphore(client, '/contended', { leases: 2, names: 'kazoo' }).acquire({ data: 'ours' }),
  },
  {
    recipe: 'election',
    insideMax: 1,
    acquire: (client) => new Election(client, '/contended', { names: 'kazoo' }).campaign({ data: 'ours' }),
  },
];

export async function contendWithKazoo(server: string, checks: Checks): Promise<void> {
  for (const contest of contests) {
    await checks.part(`with kazoo: ${contest.recipe}`, () => contend(server, contest, checks));
  }
  await checks.part('with kazoo: counter', () => count(server, checks));
}

/** Nobody waits for anybody; all change one number. */
async function count(server: string, checks: Checks): Promise<void> {
  await using admin = await connect(server);
  const { path: root } = await admin.create('/contest-', null, { mode: 'persistent-sequential' });
  await using client = await connect(`${server}${root}`);
  const kazoo = startKazoo(`${server}${root}`, 'counter');
  await kazoo.ready;
  const counter = new Counter(client, '/contended');
  const ourSide = async (): Promise<void> => {
    for (let round = 0; round < ROUNDS; round++) {
      await counter.add();
    }
  };
  await Promise.all([kazoo.contend(), ourSide(), ourSide()]);
  checks.equal('counter: nobody lost a count', await counter.get(), BigInt(4 * ROUNDS));
}

async function contend(server: string, contest: Contest, checks: Checks): Promise<void> {
  const { recipe, insideMax } = contest;
  await using admin = await connect(server);
  const { path: root } = await admin.create('/contest-', null, { mode: 'persistent-sequential' });
  await using client = await connect(`${server}${root}`);
  await client.create('/inside');
  await client.create('/count', '0');
  const kazoo = startKazoo(`${server}${root}`, recipe);
  await kazoo.ready;
  const ours = await Promise.all([kazoo.contend(), ourSide(client, contest), ourSide(client, contest)]);
  checks.that(`${recipe}: nobody too many`, Math.max(...ours) <= insideMax, () => `inside at once: ${ours}`);
  if (insideMax === 1) {
    const { value } = await client.get('/count', { codec: utf8 });
    checks.equal(`${recipe}: nobody lost a count`, value, String(4 * ROUNDS));
  } else {
    checks.equal(`${recipe}: as many as may be`, Math.max(...ours), insideMax);
  }
}

/** The highest number seen inside at once. */
async function ourSide(client: Client, contest: Contest): Promise<number> {
  let most = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await using _hold = await contest.acquire(client, round);
    const { path } = await client.create('/inside/ours-', null, { mode: 'ephemeral-sequential' });
    most = Math.max(most, (await client.children('/inside')).length);
    const { value } = await client.get('/count', { codec: utf8 });
    await sleep(1); // long enough for others to come in, if they could
    if (contest.insideMax === 1) {
      await client.set('/count', String(Number(value) + 1));
    }
    await client.delete(path);
  }
  return most;
}

function startKazoo(server: string, recipe: string): { ready: Promise<unknown>; contend: () => Promise<number> } {
  const file = join(repositoryRoot, 'packages/interop/python/contend.py');
  const child = spawn('/usr/bin/python3', ['-B', file, server, recipe, String(ROUNDS)], { timeout: SCRIPT_MS_MAX });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const lines = createInterface({ input: child.stdout });
  const iterator = lines[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const { value, done } = await iterator.next();
    if (done === true) {
      throw new Error(`kazoo's side ended early:\n${errors}`);
    }
    return value;
  };
  return {
    ready: line(),
    async contend() {
      child.stdin.end('\n');
      return Number(await line());
    },
  };
}
