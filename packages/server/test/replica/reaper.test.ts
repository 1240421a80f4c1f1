/** Containers and TTL nodes go by themselves (client-protocol.md §5.5). */
import { OpCode } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { addWatch, create, createContainer, createTTL, exists, getChildren, raw, remove, setData } from './requests.ts';
import { bytesOf, type TestClient, TestServer } from './support.ts';

const CHECK_MS = 60_000;

/** A client whose session lasts, whatever time passes. */
function keptAlive(server: TestServer): TestClient {
  return server.client({ timeoutMs: 40_000 });
}

function pass(client: TestClient, ms: number): void {
  for (let left = ms; left > 0; left -= 10_000) {
    client.server.advance(Math.min(left, 10_000));
    client.err(exists('/'));
  }
}

describe('containers', () => {
  test('trap 34: one that had a child goes at the next check; an empty new one does not', () => {
    const client = keptAlive(new TestServer());
    client.get(createContainer('/used'));
    client.get(create('/used/c'));
    client.get(remove('/used/c'));
    client.get(createContainer('/new'));
    client.get(createContainer('/busy'));
    client.get(create('/busy/c'));
    pass(client, CHECK_MS);
    expect(client.get(getChildren('/')).children.sort()).toEqual(['busy', 'new', 'zookeeper']);
    pass(client, 4 * CHECK_MS);
    expect(client.err(exists('/new'))).toBe(0);
    pass(client, CHECK_MS);
    expect(client.err(exists('/new'))).toBe(-101); // five minutes without a child
    expect(client.err(exists('/busy'))).toBe(0);
  });

  test('never used ones stay when the interval is 0', () => {
    const reaper = { checkIntervalMs: CHECK_MS, maxPerMinute: 10_000, maxNeverUsedIntervalMs: 0 };
    const client = keptAlive(new TestServer({ replica: { reaper } }));
    client.get(createContainer('/new'));
    pass(client, 10 * CHECK_MS);
    expect(client.err(exists('/new'))).toBe(0);
  });

  test('creating in one that has gone is -101', () => {
    const client = keptAlive(new TestServer());
    client.get(createContainer('/c'));
    client.get(create('/c/x'));
    client.get(remove('/c/x'));
    pass(client, CHECK_MS);
    expect(client.err(create('/c/y'))).toBe(-101);
  });

  test('a plain node made with the container flag stays', () => {
    const client = keptAlive(new TestServer());
    client.get(create('/plain', { flags: 4 }));
    client.get(create('/plain/c'));
    client.get(remove('/plain/c'));
    pass(client, 2 * CHECK_MS);
    expect(client.err(exists('/plain'))).toBe(0);
  });

  test('the deletion is a transaction of its own, and fires watches', () => {
    const server = new TestServer();
    const client = keptAlive(server);
    client.get(createContainer('/c'));
    client.get(create('/c/x'));
    client.get(addWatch('/c', 0));
    client.get(addWatch('/', 0));
    client.get(remove('/c/x'));
    client.events();
    const { lastZxid } = server;
    pass(client, CHECK_MS);
    expect(client.events()).toEqual([
      ['event', 2, '/c', lastZxid + 1],
      ['event', 4, '/', lastZxid + 1],
    ]);
    expect(server.lastZxid).toBe(lastZxid + 1);
    server.restart();
    expect(server.client().err(exists('/c'))).toBe(-101);
  });

  test('one that gets a child before its deletion is ordered stays', () => {
    const server = new TestServer();
    const client = keptAlive(server);
    client.get(createContainer('/c'));
    client.get(create('/c/x'));
    client.get(remove('/c/x'));
    pass(client, CHECK_MS - 10);
    client.send(create('/c/y')); // read before the check of the same turn
    server.world.clock.advance(10);
    server.settle();
    expect(client.err(exists('/c/y'))).toBe(0);
    expect(client.err(exists('/c'))).toBe(0);
  });

  test('the pace: so many a minute, evenly spaced', () => {
    const reaper = { checkIntervalMs: CHECK_MS, maxPerMinute: 60, maxNeverUsedIntervalMs: 1 };
    const client = keptAlive(new TestServer({ replica: { reaper } }));
    client.get(create('/p'));
    for (let i = 0; i < 10; i++) {
      client.get(createContainer(`/p/c${i}`));
    }
    pass(client, CHECK_MS);
    const left = () => client.get(getChildren('/p')).children.length;
    expect(left()).toBe(9);
    client.server.advance(999);
    expect(left()).toBe(9);
    client.server.advance(1);
    expect(left()).toBe(8);
    client.server.advance(3000);
    expect(left()).toBe(5);
    client.server.advance(5000);
    expect(left()).toBe(0);
  });
});

describe('TTL nodes', () => {
  test('trap 33: the time counts from mtime: setData renews it, children coming and going do not', () => {
    const client = keptAlive(new TestServer());
    client.get(createTTL('/renewed', 90_000n));
    client.get(createTTL('/visited', 90_000n));
    client.get(createTTL('/busy', 90_000n));
    client.get(create('/busy/c'));
    client.get(createTTL('/short', 1n));
    pass(client, CHECK_MS);
    expect(client.err(exists('/short'))).toBe(-101);
    client.get(setData('/renewed', ''));
    client.get(create('/visited/c'));
    client.get(remove('/visited/c'));
    pass(client, CHECK_MS);
    expect(client.get(getChildren('/')).children.sort()).toEqual(['busy', 'renewed', 'zookeeper']);
    client.get(remove('/busy/c'));
    pass(client, CHECK_MS + 1000); // two are due, and leave one after the other
    expect(client.get(getChildren('/')).children).toEqual(['zookeeper']);
  });

  test('not due at exactly its time', () => {
    const client = keptAlive(new TestServer());
    client.get(createTTL('/t', BigInt(CHECK_MS)));
    pass(client, CHECK_MS);
    expect(client.err(exists('/t'))).toBe(0);
    pass(client, CHECK_MS);
    expect(client.err(exists('/t'))).toBe(-101);
  });

  test('they survive a restart with their time', () => {
    const server = new TestServer();
    keptAlive(server).get(createTTL('/t', 50_000n));
    server.restart();
    const client = keptAlive(server);
    expect(client.err(exists('/t'))).toBe(0);
    pass(client, CHECK_MS);
    expect(client.err(exists('/t'))).toBe(-101);
  });
});

test('trap 47: deleteContainer is the server’s own: a client gets -6, and nothing is deleted', () => {
  const client = keptAlive(new TestServer());
  client.get(createContainer('/c'));
  expect(
    client.ask(
      raw(
        OpCode.deleteContainer,
        bytesOf((writer) => writer.ustring('/c')),
      ),
    ),
  ).toMatchObject({ err: -6 });
  expect(client.closed).toBe(true);
  expect(client.resume().err(exists('/c'))).toBe(0);
});
