/** Bugs between recipes and their client, one for each judge. */
import type { Client, Transaction } from '@treekeeper/client';
import type { ScenarioName } from '../src/recipes/run.ts';
import type { Planted } from '../src/recipes/scenario.ts';
import type { RecipeWorld } from '../src/recipes/world.ts';

export interface PlantedRecipeBug {
  readonly what: string;
  readonly scenario: ScenarioName;
  /** The judge whose business it is. */
  readonly invariant: string;
  readonly planted: Planted;
  /** The first seed that shows it, for the time being: an earlier one would only take longer. */
  readonly from: number;
}

type Doubled = Partial<Client>;

/** A client some of whose calls are not its own. */
function doubled(double: (client: Client, world: RecipeWorld) => Doubled): Planted {
  return {
    client: (client, world) => {
      const doubles = double(client, world) as Record<string | symbol, unknown>;
      return new Proxy(client, {
        get(target, name) {
          const value: unknown = name in doubles ? doubles[name] : Reflect.get(target, name, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    },
  };
}

/** Checks of versions and of existence are made of the root, which is always there. */
const withoutGuard = doubled((client) => ({
  transaction() {
    const transaction = client.transaction();
    const check = transaction.check.bind(transaction) as (path: string, version: number) => unknown;
    transaction.check = (() => {
      check('/', -1);
      return transaction;
    }) as unknown as Transaction['check'];
    return transaction;
  },
}));

/** By the names of nodes. */
const ownerOf = new Map<string, bigint>();

/** Who looks who else is there sees only itself. */
const alone = doubled((client) => ({
  async children(...parameters: Parameters<Client['children']>) {
    const names = await client.children(...parameters);
    return names.filter((name) => client.sessionId === ownerOf.get(name));
  },
  async create(...parameters: unknown[]) {
    const created = await (client.create as (...parameters: unknown[]) => ReturnType<Client['create']>)(...parameters);
    ownerOf.set(created.path.slice(created.path.lastIndexOf('/') + 1), client.sessionId);
    return created;
  },
}));

const blindFor = (suffix: string) =>
  doubled((client) => ({
    async children(...parameters: Parameters<Client['children']>) {
      const names = await client.children(...parameters);
      return parameters[0].endsWith(suffix) ? [] : names;
    },
  }));

/** In the end, what is to be removed stays. */
const careless = doubled((client, world) => ({
  async delete(...parameters: Parameters<Client['delete']>) {
    if (!world.isClosing) {
      await client.delete(...parameters);
    }
  },
}));

const latestFirst = doubled((client) => ({
  async children(...parameters: Parameters<Client['children']>) {
    const names = await client.children(...parameters);
    return parameters[0].endsWith('/items') ? names.toSorted().slice(-1) : names;
  },
}));

/** What others change is never told. */
const deaf = doubled((client) => ({
  watch(...parameters: Parameters<Client['watch']>) {
    const watch = client.watch(...parameters);
    const never = new Promise<never>(() => undefined);
    return new Proxy(watch, {
      get(target, name) {
        if (name === Symbol.asyncIterator) {
          return () => ({ next: () => never, return: async () => ({ done: true, value: undefined }) });
        }
        const value: unknown = name === 'next' ? () => never : Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  },
}));

/** All who look see some more who have come. */
const crowded = doubled((client) => ({
  async children(...parameters: Parameters<Client['children']>) {
    const names = await client.children(...parameters);
    return parameters[0] === '/together' && names.length > 0 ? [...names, '_c_0-member-2147483646'] : names;
  },
}));

/** Waiting is over before it has begun. */
const impatient = doubled((client) => ({
  async exists(...parameters: Parameters<Client['exists']>) {
    const stat = await client.exists(...parameters);
    return parameters[0] === '/gate' ? null : stat;
  },
}));

/** Versions of one node are not compared. */
const unversioned = (node: string) =>
  doubled((client) => ({
    async set(...parameters: unknown[]) {
      const [path, value, options] = parameters as [string, Uint8Array, { readonly version?: number }];
      return await (client.set as (...parameters: unknown[]) => ReturnType<Client['set']>)(path, value, {
        ...options,
        ...(path === node ? { version: -1 } : {}),
      });
    },
  }));

/** A node that is there already counts as made. */
const overwriting = (last: RegExp) =>
  doubled((client) => ({
    async create(...parameters: unknown[]) {
      const [path, value] = parameters as [string, Uint8Array];
      if (last.test(path) && (await client.exists(path)) !== null) {
        await client.set(path, value);
      }
      return await (client.create as (...parameters: unknown[]) => ReturnType<Client['create']>)(...parameters);
    },
  }));

/** All messages seem older than they are. */
const backdated = doubled((client) => ({
  async exists(...parameters: Parameters<Client['exists']>) {
    const stat = await client.exists(...parameters);
    return stat !== null && parameters[0].startsWith('/topic/') ? { ...stat, czxid: 0n } : stat;
  },
}));

/** What belongs together is read one after the other. */
const piecemeal = doubled((client, world) => {
  const doubles = {
    async multiRead(...parameters: Parameters<Client['multiRead']>) {
      const [requests, options] = parameters;
      const results: Awaited<ReturnType<Client['multiRead']>> = [];
      for (const request of requests) {
        await after(world, 50);
        results.push(...(await client.multiRead([request], options)));
      }
      return results;
    },
  };
  return doubles as Doubled;
});

/** What was written down is not found again. */
const oblivious = doubled((client) => {
  const doubles = {
    async get(...parameters: unknown[]) {
      const found = await (client.get as (...parameters: unknown[]) => ReturnType<Client['get']>)(...parameters);
      return String(parameters[0]).endsWith('/last') && typeof found.value === 'number'
        ? { ...found, value: (found.value as number) - 1 }
        : found;
    },
  };
  return doubles as Doubled;
});

type Created = ReturnType<Client['create']>;

function creating(client: Client, parameters: readonly unknown[]): Created {
  return (client.create as (...parameters: unknown[]) => Created)(...parameters);
}

/** All who come get the same token. */
const sameTokens = doubled((client) => ({
  async create(...parameters: unknown[]) {
    const created = await creating(client, parameters);
    return { ...created, stat: { ...created.stat, czxid: 1n } };
  },
}));

/** What one had is given to another, and stays with who had it. */
const keeping = doubled((client) => ({
  transaction() {
    const transaction = client.transaction();
    const remove = transaction.delete.bind(transaction) as (...parameters: unknown[]) => unknown;
    transaction.delete = ((path: string, ...options: unknown[]) => {
      if (path.startsWith('/tasks/assigned/')) {
        transaction.check('/', -1);
      } else {
        remove(path, ...options);
      }
      return transaction;
    }) as unknown as Transaction['delete'];
    return transaction;
  },
}));

function after(world: RecipeWorld, delayMs: number): Promise<void> {
  return new Promise<void>((resolve) => void world.after(delayMs, resolve));
}

/** What belongs together is read together, but for what comes first. */
const versionFirst = doubled((client, world) => {
  const doubles = {
    async multiRead(...parameters: Parameters<Client['multiRead']>) {
      const [requests, options] = parameters;
      const first = await client.multiRead(requests.slice(0, 1), options);
      await after(world, 100);
      return [...first, ...(await client.multiRead(requests.slice(1), options))];
    },
  };
  return doubles as Doubled;
});

/** Of items that are offered, some are answered and not made. */
const losing = doubled((client) => {
  let offers = 0;
  return {
    async create(...parameters: unknown[]) {
      const [path] = parameters as [string];
      return path.startsWith('/queue/items/') && ++offers % 4 === 0
        ? { path, stat: (await client.exists('/')) as NonNullable<Awaited<ReturnType<Client['exists']>>> }
        : await creating(client, parameters);
    },
  };
});

/** Whoever votes, votes for it. */
const yielding = doubled((client) => {
  const doubles = {
    async get(...parameters: unknown[]) {
      const found = await (client.get as (...parameters: unknown[]) => ReturnType<Client['get']>)(...parameters);
      return /\/vote-voter\d$/.test(String(parameters[0])) ? { ...found, value: 'commit' } : found;
    },
  };
  return doubles as unknown as Doubled;
});

export const plantedRecipeBugs: readonly PlantedRecipeBug[] = [
  { what: 'a lock whose guard is skipped', scenario: 'lock', invariant: 'fencing', planted: withoutGuard, from: 90 },
  {
    what: 'a leadership whose guard is skipped',
    scenario: 'election',
    invariant: 'fencing',
    planted: withoutGuard,
    from: 51,
  },
  { what: 'a lock that lets everybody in', scenario: 'lock', invariant: 'mutual exclusion', planted: alone, from: 1 },
  { what: 'a lock whose nodes are not removed', scenario: 'lock', invariant: 'leftovers', planted: careless, from: 25 },
  {
    what: 'a semaphore that does not count',
    scenario: 'semaphore',
    invariant: 'leases',
    planted: blindFor('/leases'),
    from: 1,
  },
  {
    what: 'an effect that does not happen with the result',
    scenario: 'master-worker',
    invariant: 'tasks',
    planted: { looseEffects: true },
    from: 20,
  },
  {
    what: 'a queue that gives out the latest',
    scenario: 'queue',
    invariant: 'queue order',
    planted: latestFirst,
    from: 1,
  },
  {
    what: 'a lock of one node whose guard is skipped',
    scenario: 'try-lock',
    invariant: 'fencing',
    planted: withoutGuard,
    from: 10,
  },
  {
    what: 'several locks that let everybody in',
    scenario: 'multi-lock',
    invariant: 'mutual exclusion',
    planted: alone,
    from: 1,
  },
  {
    what: 'a lock to write whose guard is skipped',
    scenario: 'read-write-lock',
    invariant: 'fencing',
    planted: withoutGuard,
    from: 66,
  },
  {
    what: 'a lock to write that lets everybody in',
    scenario: 'read-write-lock',
    invariant: 'mutual exclusion',
    planted: alone,
    from: 1,
  },
  { what: 'a gate that stops nobody', scenario: 'barrier', invariant: 'gate', planted: impatient, from: 1 },
  { what: 'a barrier that counts too many', scenario: 'barrier', invariant: 'barrier', planted: crowded, from: 1 },
  {
    what: 'a counter that overwrites',
    scenario: 'values',
    invariant: 'counting',
    planted: unversioned('/counter'),
    from: 1,
  },
  {
    what: 'an item that two own',
    scenario: 'partitioner',
    invariant: 'mutual exclusion',
    planted: alone,
    from: 1,
  },
  {
    what: 'a decision that is made twice',
    scenario: 'two-phase-commit',
    invariant: 'one decision',
    planted: overwriting(/\/(?:decision|vote-voter\d)$/),
    from: 3,
  },
  {
    what: 'a job that does not know what was run',
    scenario: 'scheduled-job',
    invariant: 'runs',
    planted: oblivious,
    from: 1,
  },
  { what: 'a topic that passes over what is new', scenario: 'topic', invariant: 'topic', planted: backdated, from: 1 },
  {
    what: 'a configuration that is read piece by piece',
    scenario: 'configuration',
    invariant: 'together',
    planted: piecemeal,
    from: 2,
  },
  { what: 'a lock whose tokens are all the same', scenario: 'lock', invariant: 'tokens', planted: sameTokens, from: 1 },
  {
    what: 'a lock of one program at a time that lets everybody in',
    scenario: 'identity',
    invariant: 'mutual exclusion',
    planted: alone,
    from: 1,
  },
  {
    what: 'a lock to write whose former holders write while others read',
    scenario: 'read-write-lock',
    invariant: 'steady reads',
    planted: withoutGuard,
    from: 27,
  },
  {
    what: 'a configuration whose version is read before its values',
    scenario: 'configuration',
    invariant: 'versions',
    planted: versionFirst,
    from: 1,
  },
  {
    what: 'a generator whose blocks overlap',
    scenario: 'values',
    invariant: 'ids',
    planted: unversioned('/ids'),
    from: 3,
  },
  {
    what: 'a list that is overwritten',
    scenario: 'values',
    invariant: 'values',
    planted: unversioned('/list'),
    from: 1,
  },
  {
    what: 'a job whose guard is skipped',
    scenario: 'scheduled-job',
    invariant: 'record',
    planted: withoutGuard,
    from: 22,
  },
  {
    what: 'a job that runs at other times',
    scenario: 'scheduled-job',
    invariant: 'schedule',
    planted: { jobLateMs: 1 },
    from: 1,
  },
  { what: 'a queue that loses items', scenario: 'queue', invariant: 'queue', planted: losing, from: 1 },
  {
    what: 'a decision that does not hear who is against it',
    scenario: 'two-phase-commit',
    invariant: 'all or none',
    planted: yielding,
    from: 1,
  },
  {
    what: 'a master that takes nothing from whom it had given it',
    scenario: 'master-worker',
    invariant: 'assignments',
    planted: keeping,
    from: 1,
  },
  { what: 'a directory whose news are not told', scenario: 'services', invariant: 'progress', planted: deaf, from: 1 },
  { what: 'a group whose news are not told', scenario: 'membership', invariant: 'progress', planted: deaf, from: 1 },
];
