/** The caches against a server: what each shows, and what becomes of it when things go wrong. */
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Cache,
  type CacheChange,
  ChildrenCache,
  type Client,
  connect,
  isTreekeeperError,
  json,
  NodeCache,
  OPEN_ACL,
  Perms,
  TreeCache,
  utf8,
} from '../../src/index.ts';

let server: TestServer;
let client: Client;
let other: Client;

beforeAll(async () => {
  server = await startServer();
  client = await server.client();
  other = await server.client();
});

afterAll(() => server[Symbol.asyncDispose]());

/** The changes up to the first one that is looked for, it included. */
async function changesUntil<T>(cache: Cache<T>, isLast: (change: CacheChange<T>) => boolean): Promise<string[]> {
  const seen: string[] = [];
  for await (const change of cache) {
    seen.push(`${change.type} ${change.path}`);
    if (isLast(change)) {
      return seen;
    }
  }
  throw new Error(`it ended with ${seen.join(', ')}`);
}

/** How its changes end: the failure's message, or 'over'. */
async function endOf<T>(cache: Cache<T>): Promise<string> {
  try {
    await changesUntil(cache, () => false);
    return 'never';
  } catch (error) {
    return String(error).includes('it ended with') ? 'over' : String(error);
  }
}

describe('a node cache', () => {
  test('follows a node that comes, changes, goes and comes again', async () => {
    await using cache = new NodeCache(client, '/node', { codec: utf8 });
    await cache.ready;
    expect([cache.get(), cache.has(), cache.size]).toEqual([undefined, false, 0]);
    await other.create('/node', 'one');
    await cache.sync();
    expect(cache.get()).toMatchObject({ value: 'one', stat: { version: 0 } });
    await other.set('/node', 'two');
    await other.create('/node/child', 'not looked at');
    await cache.sync();
    expect([...cache.entries()].map(([path, { value }]) => [path, value])).toEqual([['/node', 'two']]);
    await other.deleteRecursive('/node');
    await cache.sync();
    expect(cache.get()).toBe(undefined);
    await other.create('/node', 'three');
    await cache.sync();
    expect(cache.get()?.value).toBe('three');
  });

  test('that nobody can read is told, and keeps the last good value', async () => {
    await other.create('/typed', '{"n":1}');
    await using cache = new NodeCache(client, '/typed', { codec: json<{ n: number }>() });
    await cache.ready;
    const told = changesUntil(cache, ({ type }) => type === 'unreadable');
    await other.set('/typed', '{');
    expect(await told).toEqual(['added /typed', 'unreadable /typed']);
    expect(cache.get()).toMatchObject({ value: { n: 1 }, stat: { version: 0 } });
    await other.set('/typed', '{"n":2}');
    await cache.sync();
    expect(cache.get()?.value.n).toBe(2);
  });
});

describe('a children cache', () => {
  test('shows children only, by name, whenever the parent comes', async () => {
    await using cache = new ChildrenCache(client, '/parent', { codec: utf8 });
    await cache.ready;
    expect(cache.size).toBe(0);
    await other.create('/parent', 'itself');
    await other.create('/parent/a', '1');
    await other.create('/parent/a/deeper', 'not shown');
    await other.create('/parent/b', '2');
    await other.delete('/parent/a/deeper');
    await other.delete('/parent/a');
    await cache.sync();
    expect([...cache.entries()].map(([name, { value }]) => [name, value])).toEqual([['b', '2']]);
    expect([cache.has('a'), cache.has('b'), cache.get('b')?.value]).toEqual([false, true, '2']);
  });

  test('leaves out what it may not read, and tells of it', async () => {
    await other.create('/secrets/open', 'x', { createParents: true });
    await other.create('/secrets/closed', 'y', { acl: [{ perms: Perms.write, id: OPEN_ACL[0]!.id }] });
    await using cache = new ChildrenCache(client, '/secrets');
    const told = changesUntil(cache, ({ type }) => type === 'unreadable');
    await cache.ready;
    expect((await told).at(-1)).toBe('unreadable /secrets/closed');
    expect(cache.size).toBe(1);
  });
});

describe('a tree cache', () => {
  test('shows everything below, through a view with a root of its own as well', async () => {
    await other.create('/app/x/y', 'deep', { createParents: true });
    await using tree = new TreeCache(client, '/app', { codec: utf8 });
    await using rooted = new TreeCache(client.at('/app'), '/', { codec: utf8 });
    await Promise.all([tree.ready, rooted.ready]);
    expect([...tree.entries()].map(([path]) => path).sort()).toEqual(['/app', '/app/x', '/app/x/y']);
    expect([...rooted.entries()].map(([path]) => path).sort()).toEqual(['/', '/x', '/x/y']);
    await other.delete('/app/x/y');
    await other.create('/app/z');
    await Promise.all([tree.sync(), rooted.sync()]);
    expect([tree.children('/app').sort(), tree.children('/app/x'), rooted.children('/').sort()]).toEqual([
      ['x', 'z'],
      [],
      ['x', 'z'],
    ]);
    expect([tree.get('/app/x')?.stat.version, tree.has('/app/x/y')]).toEqual([0, false]);
  });

  test('with too much in it fails, and shows nothing rather than half of it', async () => {
    await other.create('/big/a', '', { createParents: true });
    await using tree = new TreeCache(client, '/big', { nodesMax: 2 });
    await tree.ready;
    await other.create('/big/b');
    expect(await endOf(tree)).toContain('CACHE_FULL');
    expect(() => tree.get('/big')).toThrow('CACHE_FULL');
    await using small = new TreeCache(client, '/big', { nodesMax: 2 });
    await expect(small.ready).rejects.toThrow('CACHE_FULL');
    await expect(small.sync()).rejects.toThrow('CACHE_FULL');
  });
});

describe('what is longer than this client takes', () => {
  test('fails the cache that wants it, and nothing else', async () => {
    await using narrow = await connect(server.connectString, { replyBytesMax: 1024 });
    const { sessionId } = narrow;
    const names = Array.from({ length: 40 }, (_, i) => `/crowd/child-with-a-long-name-${i}`);
    await other.create('/crowd');
    await Promise.all(names.map((name) => other.create(name)));
    await using cache = new ChildrenCache(narrow, '/crowd');
    await expect(cache.ready).rejects.toMatchObject({ code: 'REPLY_TOO_LARGE', retry: 'pointless' });
    expect(await endOf(cache)).toContain('REPLY_TOO_LARGE');
    expect((await narrow.set('/crowd', 'x', { version: 0 })).version).toBe(1);
    await expect(narrow.children('/crowd')).rejects.toMatchObject({ code: 'REPLY_TOO_LARGE' });
    expect((await narrow.exists('/crowd'))?.version).toBe(1);
    expect(narrow.sessionId).toBe(sessionId);
  });
});

describe('the end of a cache', () => {
  test('is its iterations’ end, and takes its watch away; the view can still be read', async () => {
    await other.create('/ending', 'x');
    const cache = new NodeCache(client, '/ending', { codec: utf8 });
    await cache.ready;
    const end = endOf(cache);
    await cache.close();
    expect(await end).toBe('over');
    expect(cache.get()?.value).toBe('x');
    const gone = await client.removeWatches('/ending', 'persistent').catch((error: unknown) => error);
    expect(isTreekeeperError(gone, 'NO_WATCHER')).toBe(true);
  });

  test('comes by a signal, before anything was read as well', async () => {
    const controller = new AbortController();
    const cache = new TreeCache(client, '/ending', { signal: controller.signal });
    controller.abort();
    await expect(cache.ready).rejects.toThrow('CLOSED');
    const late = new TreeCache(client, '/ending', { signal: controller.signal });
    await expect(late.ready).rejects.toThrow('CLOSED');
    expect((await late[Symbol.asyncIterator]().next()).done).toBe(true);
  });

  test('comes with the session: expired is a failure, closed is not', async () => {
    const doomed = await connect(server.connectString);
    const cache = new NodeCache(doomed, '/ending');
    await cache.ready;
    const end = endOf(cache);
    await server.expireSession(doomed.sessionId);
    expect(await end).toContain('SESSION_EXPIRED');
    expect(() => cache.get()).toThrow('SESSION_EXPIRED');
    await doomed.close();
    const brief = await connect(server.connectString);
    const second = new NodeCache(brief, '/ending');
    await second.ready;
    const secondEnd = endOf(second);
    await brief.close();
    expect(await secondEnd).toBe('over');
  });

  test('does not come with a session that has a successor, nor by somebody’s removeWatches', async () => {
    await using lasting = await connect(server.connectString, { onExpired: 'new-session' });
    await using cache = new NodeCache(lasting, '/ending', { codec: utf8 });
    await cache.ready;
    await server.expireSession(lasting.sessionId);
    await other.set('/ending', 'seen by the next session');
    await cache.sync({ retry: { attemptsMax: 50, when: () => true } });
    expect(cache.get()?.value).toBe('seen by the next session');
    await lasting.removeWatches('/ending', 'persistent');
    await other.set('/ending', 'seen by the next watch');
    while (cache.get()?.value !== 'seen by the next watch') {
      await cache.sync();
    }
  });
});
