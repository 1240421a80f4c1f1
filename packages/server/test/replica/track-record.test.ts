/** What the simulator found (docs/internals/track-record.md), each told step by step: seeds change their meaning. */
import {
  CreateMode,
  CreateRequest,
  DeleteRequest,
  ErrorNumber,
  OPEN_ACL,
  OpCode,
  SetDataRequest,
  SyncRequest,
  WatchedPathRequest,
} from '@treekeeper/protocol';
import { expect, test } from 'vitest';
import type { SimulatedClient } from '../../../simulator/src/client.ts';
import { StandaloneWorld } from '../../../simulator/src/standalone-world.ts';

function create(client: SimulatedClient, path: string, flags: number = CreateMode.persistent): number {
  const opcode = flags === CreateMode.container ? OpCode.createContainer : OpCode.create;
  return client.send(opcode, CreateRequest, { path, data: Buffer.from('x'), acl: [...OPEN_ACL], flags });
}

/** Answers as xid, zxid and error, events as their path. */
function received(client: SimulatedClient): (string | [number, number, number])[] {
  return client
    .receive()
    .map((message) => (message.kind === 'event' ? message.path : [message.xid, Number(message.zxid), message.err]));
}

function exists(world: StandaloneWorld, path: string): boolean {
  return world.replica.world.tree.find(path) !== 0;
}

test('1: a refusal on a full disk does not go back behind the answers before it', () => {
  const world = new StandaloneWorld();
  const client = world.newClient();
  create(client, '/a');
  world.settle();
  received(client);
  world.disk.full = true;
  create(client, '/b');
  create(client, '/c');
  world.settle();
  create(client, '/d');
  world.settle();
  expect(received(client)).toEqual([]);
  world.disk.full = false;
  world.advance(2000);
  expect(received(client)).toEqual([
    [2, 3, 0],
    [3, 4, 0],
    [4, 4, ErrorNumber.NOT_READ_ONLY],
  ]);
});

test('2: a write that does not decode is answered with a zxid that is on disk', () => {
  const world = new StandaloneWorld();
  const client = world.newClient();
  const other = world.newClient();
  create(client, '/a');
  const xid = other.sendRaw(OpCode.setData, (writer) => writer.boolean(true));
  world.turn(); // the create is on its way to the disk
  expect(received(other)).toEqual([[xid, 2, ErrorNumber.MARSHALLING_ERROR]]);
});

test('3: a sync is answered in its place, though all that it waits for is committed at once with what follows', () => {
  const world = new StandaloneWorld();
  const client = world.newClient();
  const other = world.newClient();
  create(other, '/a');
  world.turn();
  create(other, '/b');
  const sync = client.send(OpCode.sync, SyncRequest, { path: '/' });
  const read = client.send(OpCode.exists, WatchedPathRequest, { path: '/c', watch: false });
  const write = create(client, '/c');
  world.settle();
  expect(received(client)).toEqual([
    [sync, 4, 0],
    [read, 4, ErrorNumber.NO_NODE],
    [write, 5, 0],
  ]);
});

test('4: what was read back after a kill is durable before anybody is told of it', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const world = new StandaloneWorld({ seed });
    const client = world.newClient();
    create(client, '/a');
    world.turn();
    for (let steps = seed % 4; steps > 0; steps--) {
      world.disk.step();
    }
    world.disk.kill(world.random); // perhaps with a write begun
    world.kill();
    const { lastZxid } = world.replica.world.tree;
    world.crash();
    expect(world.replica.world.tree.lastZxid).toBe(lastZxid);
  }
});

test('5: the reaper deletes no node that was made in place of the one that it found', () => {
  const reaper = { checkIntervalMs: 1000, maxPerMinute: 30, maxNeverUsedIntervalMs: 0 };
  const world = new StandaloneWorld({ replica: { reaper } });
  const client = world.newClient(40_000);
  for (const path of ['/a', '/b']) {
    create(client, path, CreateMode.container);
    create(client, `${path}/child`);
    client.send(OpCode.delete, DeleteRequest, { path: `${path}/child`, version: -1 });
  }
  world.settle();
  world.advance(1500);
  const [left] = ['/a', '/b'].filter((path) => exists(world, path));
  expect(['/a', '/b'].filter((path) => exists(world, path))).toHaveLength(1);
  client.send(OpCode.delete, DeleteRequest, { path: left, version: -1 });
  create(client, left);
  world.settle();
  world.advance(10_000);
  expect(exists(world, left)).toBe(true);
});

test('5: nor one whose making is on its way', () => {
  const reaper = { checkIntervalMs: 1000, maxPerMinute: 10_000, maxNeverUsedIntervalMs: 0 };
  const world = new StandaloneWorld({ replica: { reaper } });
  const client = world.newClient(40_000);
  create(client, '/a', CreateMode.container);
  create(client, '/a/child');
  client.send(OpCode.delete, DeleteRequest, { path: '/a/child', version: -1 });
  world.settle();
  client.send(OpCode.delete, DeleteRequest, { path: '/a', version: -1 });
  create(client, '/a');
  world.clock.advance(1500);
  world.turn(); // the requests are prepared, and then the reaper looks
  world.settle();
  expect(exists(world, '/a')).toBe(true);
});

test('6: a connection that is being closed gets the event with the answer', () => {
  const world = new StandaloneWorld();
  const client = world.newClient();
  const other = world.newClient();
  create(client, '/a');
  create(client, '/b');
  client.send(OpCode.getData, WatchedPathRequest, { path: '/a', watch: true });
  world.settle();
  received(client);
  other.send(OpCode.setData, SetDataRequest, { path: '/a', data: null, version: -1 });
  const write = client.send(OpCode.setData, SetDataRequest, { path: '/b', data: null, version: -1 });
  world.turn();
  for (const completion of world.disk.drain()) {
    world.push(completion);
  }
  client.sendBytes(Buffer.of(0x7f, 0xff, 0xff, 0xff)); // too long a frame: the end
  world.turn();
  expect(received(client)).toEqual(['/a', [write, 6, 0]]);
  expect(client.connection.closed).toBe(true);
});
