/** Random changes by somebody else, connections cut and the server killed in between: the caches end as the tree. */
import { startServer, type TestServer } from '@treekeeper/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Cache,
  ChildrenCache,
  type Client,
  connect,
  isTreekeeperError,
  NodeCache,
  TreeCache,
  utf8,
} from '../../src/index.ts';
import { manyTimes } from '../support/many-times.ts';

const names = fc.constantFrom('a', 'b', 'c');
const paths = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
const value = fc.string({ maxLength: 4 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('create' as const), path: paths, value }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('set' as const), path: paths, value }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), path: paths }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('prune' as const), path: paths }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('look' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
);
/** Changes, in a swarm or one by one; then what happens to the server, or the caches are looked at. */
const phase = fc.record({
  steps: fc.array(step, { maxLength: 25 }),
  isSwarm: fc.boolean(),
  end: fc.constantFrom('nothing' as const, 'restart' as const, 'sync' as const),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
type Phase = typeof phase extends fc.Arbitrary<infer P> ? P : never;

let server: TestServer;
let writer: Client;
let round = 0;

beforeAll(async () => {
  server = await startServer();
  writer = await connect(manyTimes(server.connectString));
});

afterAll(async () => {
  await writer.close();
  await server[Symbol.asyncDispose]();
});

/** The oracle: every node, one by one. */
async function walk(client: Client, path: string, nodes = new Map<string, string>()): Promise<Map<string, string>> {
  const { value, stat } = await client.get(path, { codec: utf8 });
  nodes.set(path, `${stat.czxid} ${stat.mzxid} ${stat.version} ${value}`);
  for (const name of await client.children(path)) {
    await walk(client, path === '/' ? `/${name}` : `${path}/${name}`, nodes);
  }
  return nodes;
}

/** What a reader of its changes knows in the end; zxids of a node never fall on the way. */
async function follow(cache: Cache<string>): Promise<Map<string, string>> {
  const known = new Map<string, string>();
  const zxids = new Map<string, bigint>();
  for await (const change of cache) {
    const { type, path } = change;
    if (type === 'removed') {
      known.delete(path);
    } else if (type !== 'unreadable') {
      const { stat } = change;
      expect(stat.mzxid > (zxids.get(path) ?? 0n)).toBe(true);
      zxids.set(path, stat.mzxid);
      known.set(path, `${stat.czxid} ${stat.mzxid} ${stat.version} ${change.value}`);
    }
  }
  return known;
}

function shown(
  entries: Iterable<[string, { value: string; stat: { czxid: bigint; mzxid: bigint; version: number } }]>,
) {
  return new Map(
    [...entries].map(([k, { value, stat }]) => [k, `${stat.czxid} ${stat.mzxid} ${stat.version} ${value}`]),
  );
}

const refusals = ['NODE_EXISTS', 'NO_NODE', 'NOT_EMPTY', 'CONNECTION_LOSS'];

/** Not waited for: changes come in swarms. */
async function change(client: Client, reader: Client, each: Step): Promise<void> {
  try {
    if (each.do === 'create') {
      await client.create(each.path, each.value);
    } else if (each.do === 'set') {
      await client.set(each.path, each.value);
    } else if (each.do === 'delete') {
      await client.delete(each.path);
    } else if (each.do === 'prune') {
      await client.deleteRecursive(each.path);
    } else if (each.do === 'look') {
      await reader.exists('/');
    } else {
      server.cutConnections(reader.sessionId);
    }
  } catch (error) {
    if (!isTreekeeperError(error) || !refusals.includes(error.code)) {
      throw error;
    }
  }
}

async function go(client: Client, reader: Client, { steps, isSwarm, end }: Phase): Promise<void> {
  const swarm: Promise<void>[] = [];
  for (const each of steps) {
    swarm.push(change(client, reader, each));
    if (!isSwarm) {
      await swarm.at(-1);
    }
  }
  if (end === 'restart') {
    await server.kill();
    await server.restart();
  }
  await Promise.all(swarm);
}

async function run(phases: readonly Phase[]): Promise<void> {
  const home = `/round-${round++}`;
  await writer.create(home);
  const client = writer.at(home);
  await using session = await connect(manyTimes(server.connectString), { requestTimeoutMs: 60_000 });
  const reader = session.at(home);
  const tree = new TreeCache(reader, '/', { codec: utf8 });
  const children = new ChildrenCache(reader, '/a', { codec: utf8 });
  const node = new NodeCache(reader, '/a/b', { codec: utf8 });
  const followed = [tree, children, node].map((cache) => follow(cache));
  for (const each of phases) {
    await go(client, session, each);
    if (each.end === 'sync') {
      await Promise.all([tree, children, node].map((cache) => cache.sync()));
    }
  }
  await Promise.all([tree, children, node].map((cache) => cache.sync()));

  const truth = await walk(client, '/');
  const inTruth = (filter: RegExp): Map<string, string> => new Map([...truth].filter(([path]) => filter.test(path)));
  const sorted = (map: Map<string, string>): [string, string][] => [...map].sort();
  expect(sorted(shown(tree.entries()))).toEqual(sorted(truth));
  expect(sorted(shown(node.entries()))).toEqual(sorted(inTruth(/^\/a\/b$/)));
  const named = [...inTruth(/^\/a\/[^/]+$/)].map(([path, text]): [string, string] => [path.slice(3), text]);
  expect(sorted(shown(children.entries()))).toEqual(named.sort());
  for (const path of truth.keys()) {
    const below = [...truth.keys()].filter(
      (other) => other !== '/' && (other.slice(0, other.lastIndexOf('/')) || '/') === path,
    );
    expect(tree.children(path).sort()).toEqual(below.map((other) => other.slice(other.lastIndexOf('/') + 1)).sort());
  }

  await Promise.all([tree, children, node].map((cache) => cache.close()));
  const [ofTree, ofChildren, ofNode] = await Promise.all(followed);
  expect(sorted(ofTree!)).toEqual(sorted(truth));
  expect(sorted(ofChildren!)).toEqual(sorted(inTruth(/^\/a\/[^/]+$/)));
  expect(sorted(ofNode!)).toEqual(sorted(inTruth(/^\/a\/b$/)));
}

test('caches converge to exactly the tree', { timeout: 120_000 }, async () => {
  await fc.assert(fc.asyncProperty(fc.array(phase, { maxLength: 5 }), run), { numRuns: 40 });
});
