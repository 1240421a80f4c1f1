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

export const plantedRecipeBugs: readonly PlantedRecipeBug[] = [
  { what: 'a lock whose guard is skipped', scenario: 'lock', invariant: 'fencing', planted: withoutGuard, from: 27 },
  {
    what: 'a leadership whose guard is skipped',
    scenario: 'election',
    invariant: 'fencing',
    planted: withoutGuard,
    from: 27,
  },
  { what: 'a lock that lets everybody in', scenario: 'lock', invariant: 'mutual exclusion', planted: alone, from: 1 },
  { what: 'a lock whose nodes are not removed', scenario: 'lock', invariant: 'leftovers', planted: careless, from: 8 },
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
    from: 28,
  },
  {
    what: 'a queue that gives out the latest',
    scenario: 'queue',
    invariant: 'queue order',
    planted: latestFirst,
    from: 8,
  },
  { what: 'a group whose news are not told', scenario: 'membership', invariant: 'progress', planted: deaf, from: 1 },
];
