/** Creating nodes: modes, sequence numbers, reserved nodes, paths (client-protocol.md §5). */
import { CONTAINER_OWNER, StatPersisted, TTL_MS_MAX, ttlOwner } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { StandaloneWorld, simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { writeSnapshot } from '../storage/writers.ts';
import {
  create,
  create2,
  createContainer,
  createTTL,
  exists,
  getACL,
  getChildren,
  getData,
  multi,
  type Request,
  remove,
  setACL,
  setData,
} from './requests.ts';
import { TestServer, worldAcl } from './support.ts';

const noExtendedTypes = {
  replica: {
    rules: { ...simulatedOptions.rules, extendedTypesEnabled: false },
    ownerRules: { extendedTypesEnabled: false, emulate353TtlNodes: false },
  },
};

/** What is stored, which clients do not see. */
function storedOwner(server: TestServer, path: string): bigint {
  const { tree } = server.replica.world;
  return tree.owner(tree.find(path));
}

describe('create modes (§5.1)', () => {
  test.each([
    ['persistent', 0, '/n'],
    ['ephemeral', 1, '/n'],
    ['persistent sequential', 2, '/n0000000000'],
    ['ephemeral sequential', 3, '/n0000000000'],
  ])('%s, by create and by create2', (_, flags, path) => {
    for (const make of [create, create2]) {
      const server = new TestServer();
      const client = server.client();
      const answer = client.get(make('/n', { data: 'abc', flags }));
      expect(answer.path).toBe(path);
      const owner = flags % 2 === 1 ? client.sessionId : 0n;
      expect(storedOwner(server, path)).toBe(owner);
      const { stat } = client.get(exists(path));
      expect(stat).toMatchObject({ ephemeralOwner: owner, czxid: 2n, mzxid: 2n, pzxid: 2n, version: 0, dataLength: 3 });
      expect('stat' in answer ? answer.stat : stat).toEqual(stat);
    }
  });

  test('trap 4: containers and TTL nodes show owner 0', () => {
    const server = new TestServer();
    const client = server.client();
    expect(client.get(createContainer('/c')).stat.ephemeralOwner).toBe(0n);
    expect(client.get(createTTL('/t', 5000n)).stat.ephemeralOwner).toBe(0n);
    expect(client.get(createTTL('/t', TTL_MS_MAX, { flags: 6 })).path).toBe('/t0000000002');
    expect(storedOwner(server, '/c')).toBe(CONTAINER_OWNER);
    expect(storedOwner(server, '/t')).toBe(ttlOwner(5000n));
    expect(BigInt.asUintN(64, storedOwner(server, '/t0000000002'))).toBe(0xff0000ffffffffffn);
    for (const path of ['/c', '/t']) {
      expect(client.get(getData(path)).stat.ephemeralOwner).toBe(0n);
    }
    server.restart();
    expect(storedOwner(server, '/t')).toBe(ttlOwner(5000n));
    expect(server.client().get(exists('/c')).stat.ephemeralOwner).toBe(0n);
  });

  test('with extended types off a stored TTL owner is a session, which is not looked for', () => {
    const server = new TestServer();
    server.client().get(createTTL('/t', 5000n));
    const errors: string[] = [];
    const log = { info: () => {}, warn: () => {}, error: (message: string) => void errors.push(message) };
    const world = new StandaloneWorld({ ...noExtendedTypes, log });
    world.disk = server.world.disk;
    world.kill();
    const { tree } = world.replica.world;
    expect(tree.ephemeralsOf(ttlOwner(5000n))).toEqual(['/t']); // Apache ZooKeeper removes it
    expect(errors).toEqual([
      expect.stringMatching(/nodes with a time to live \(1, among them \/t\).*Set extendedTypesEnabled=true/),
    ]);
  });

  test.each<[string, Request, string, bigint]>([
    ['opcode 1, container flag: a plain node', create('/n', { flags: 4 }), '/n', 0n],
    ['opcode 15, container flag: a plain node', create2('/n', { flags: 4 }), '/n', 0n],
    ['opcode 19, flags 0: a container', createContainer('/n', { flags: 0 }), '/n', CONTAINER_OWNER],
    ['opcode 19, flags 1: a container, not an ephemeral', createContainer('/n', { flags: 1 }), '/n', CONTAINER_OWNER],
    [
      'opcode 19, flags 2: a sequential container',
      createContainer('/n', { flags: 2 }),
      '/n0000000000',
      CONTAINER_OWNER,
    ],
    ['opcode 19, flags 3: the same', createContainer('/n', { flags: 3 }), '/n0000000000', CONTAINER_OWNER],
  ])('opcode and flags disagreeing: %s', (_, request, path, owner) => {
    const server = new TestServer();
    expect(server.client().get(request)).toMatchObject({ path });
    expect(storedOwner(server, path)).toBe(owner);
  });

  test.each([1, 15])('opcode %i with the container flag makes a container inside a multi', (opcode) => {
    const server = new TestServer();
    const make = opcode === 1 ? create : create2;
    const [result] = server.client().get(multi(make('/n', { flags: 4 })));
    expect(result).toMatchObject({ type: 15, err: 0, path: '/n' });
    expect(storedOwner(server, '/n')).toBe(CONTAINER_OWNER);
  });

  test.each<[string, Request, number, number]>([
    ['opcode 1, flags 5', create('/n', { flags: 5 }), -8, -6],
    ['opcode 1, flags 6', create('/n', { flags: 6 }), -8, -6],
    ['opcode 15, flags 5', create2('/n', { flags: 5 }), -8, -6],
    ['opcode 19, flags 6', createContainer('/n', { flags: 6 }), -8, -6],
    ['opcode 1, flags -1', create('/n', { flags: -1 }), -8, -8],
    ['opcode 1, flags 7', create('/n', { flags: 7 }), -8, -8],
    ['opcode 15, flags 100', create2('/n', { flags: 100 }), -8, -8],
    ['opcode 21, flags 7', createTTL('/n', 1n, { flags: 7 }), -8, -8],
    ['opcode 21, flags 0, ttl 5', createTTL('/n', 5n, { flags: 0 }), -8, -8],
    ['opcode 21, flags 4, ttl 5', createTTL('/n', 5n, { flags: 4 }), -8, -8],
    ['opcode 21, ttl 0', createTTL('/n', 0n), -8, -6],
    ['opcode 21, ttl -1', createTTL('/n', -1n), -8, -6],
    ['opcode 21, ttl too long', createTTL('/n', TTL_MS_MAX + 1n), -8, -6],
    ['opcode 21, sequential, ttl 0', createTTL('/n', 0n, { flags: 6 }), -8, -6],
    ['opcode 21, a good one', createTTL('/n', 1n), 0, -6],
  ])('%s is refused with %i, with extended types off with %i', (_, request, extended, plain) => {
    expect(new TestServer().client().err(request)).toBe(extended);
    expect(new TestServer(noExtendedTypes).client().err(request)).toBe(plain);
  });

  test.each([0, 1, 2, 3, 4])(
    'trap 43: createTTL with flags %i and a negative ttl is refused, and does no harm',
    (flags) => {
      const server = new TestServer();
      const client = server.client();
      expect(client.err(createTTL('/n', -1n, { flags }))).toBe(-8);
      expect(client.err(exists('/n'))).toBe(-101);
      server.restart();
      expect(server.client().err(exists('/n'))).toBe(-101);
    },
  );

  test('trap 43: limits for the root are refused', () => {
    const client = new TestServer().client();
    expect(client.err(create('/zookeeper/quota/zookeeper_limits', { data: 'count=1,bytes=1' }))).toBe(-8);
    expect(client.get(multi(create('/zookeeper/quota/zookeeper_limits')))).toEqual([{ type: -1, err: -8 }]);
    expect(client.err(exists('/zookeeper/quota/zookeeper_limits'))).toBe(-101);
  });
});

describe('sequence numbers (§5.3)', () => {
  test('the parent’s counter of creations, whatever the prefix and mode; deletes do not lower it', () => {
    const client = new TestServer().client();
    client.get(create('/q'));
    const make = (path: string, flags: number) => client.get(create(path, { flags })).path;
    expect(make('/q/a-', 2)).toBe('/q/a-0000000000');
    expect(make('/q/plain', 0)).toBe('/q/plain');
    expect(make('/q/b-', 3)).toBe('/q/b-0000000002');
    client.get(remove('/q/plain'));
    expect(client.err(create('/q/a-0000000000'))).toBe(-110); // failed ones do not count
    expect(make('/q/a-', 2)).toBe('/q/a-0000000003');
  });

  test('trap 45: the path is validated with its suffix, so "/q/" and even "/" are fine', () => {
    const client = new TestServer().client();
    client.get(create('/q'));
    expect(client.get(create('/q/', { flags: 2 })).path).toBe('/q/0000000000');
    expect(client.get(create('/', { flags: 2 })).path).toMatch(/^\/000000000\d$/);
    expect(client.err(create('/q//', { flags: 2 }))).toBe(-101); // its parent is "/q/"
    expect(client.get(create('/q/.', { flags: 2 })).path).toBe('/q/.0000000001');
    expect(client.err(create('/q/'))).toBe(-8);
  });

  test('writes in flight count: a pipeline of creates never collides', () => {
    const client = new TestServer().client();
    const lines = client.pipeline(...Array.from({ length: 50 }, () => create('/s-', { flags: 2 })));
    expect(lines.map(([, , err]) => err)).toEqual(Array(50).fill(0));
    const { children } = client.get(getChildren('/'));
    expect(new Set(children).size).toBe(51);
  });

  test('in a multi each sees those before it; a failed multi gives its numbers back', () => {
    const client = new TestServer().client();
    client.get(create('/q'));
    const [first, second] = client.get(multi(create('/q/', { flags: 2 }), create('/q/', { flags: 2 })));
    expect([first.path, second.path]).toEqual(['/q/0000000000', '/q/0000000001']);
    client.get(multi(create('/q/', { flags: 2 }), create('/q/', { flags: 2 }), remove('/nosuch')));
    expect(client.get(create('/q/', { flags: 2 })).path).toBe('/q/0000000002');
  });

  test('the counter survives a restart', () => {
    const server = new TestServer();
    const client = server.client();
    client.get(create('/q'));
    client.get(create('/q/', { flags: 2 }));
    client.get(remove('/q/0000000000'));
    server.restart();
    expect(server.client().get(create('/q/', { flags: 2 })).path).toBe('/q/0000000001');
  });

  test('overflow: 2147483647 once, then it sticks, and creations collide', () => {
    const server = new TestServer();
    server.world.disk = diskWith('/q', 2147483646);
    server.restart();
    const client = server.client();
    const make = () => client.ask(create('/q/', { flags: 2 }));
    expect(make().value?.path).toBe('/q/2147483646');
    expect(make().value?.path).toBe('/q/2147483647');
    expect(make().err).toBe(-110);
    expect(client.get(create('/q/other-', { flags: 2 })).path).toBe('/q/other-2147483647');
    const inFlight = client.pipeline(create('/q/x-', { flags: 2 }), create('/q/x-', { flags: 2 }));
    expect(inFlight.map(([, , err]) => err)).toEqual([0, -110]);
    expect(client.get(exists('/q')).stat.cversion).toBe((2 * 2147483647 - 4) | 0);
    server.restart(); // the digests in the log are those of the tree that sticks
    expect(server.client().err(create('/q/', { flags: 2 }))).toBe(-110);
  });
});

/** A disk with a snapshot of the fresh tree and one more node, whose counter of creations is given. */
function diskWith(path: string, cversion: number): SimulatedDisk {
  const fresh = { czxid: 0, mzxid: 0, ctime: 0, mtime: 0, version: 0, aversion: 0, ephemeralOwner: 0, pzxid: 0 };
  const disk = new SimulatedDisk();
  writeSnapshot(disk, simulatedOptions.storage, {
    zxid: 0,
    sessions: new Map(),
    acls: [[1n, [worldAcl(31)]]],
    writeNodes: (writer) => {
      for (const node of ['', '/zookeeper', '/zookeeper/quota', '/zookeeper/config', path]) {
        writer.ustring(node);
        writer.buffer(new Uint8Array(0));
        writer.long(1n);
        StatPersisted.encode(writer, { ...fresh, cversion: node === path ? cversion : 0 });
      }
      return false;
    },
    trailer: () => ({ digestZxid: 0, digest: null, lastZxid: 0 }),
  });
  return disk;
}

describe('reserved nodes (§5.6)', () => {
  const reserved = ['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config'];

  test.each(reserved)('%s can be neither deleted nor created', (path) => {
    const client = new TestServer().client();
    for (const version of [-1, 0, 77]) {
      expect(client.err(remove(path, version))).toBe(-8);
    }
    expect(client.err(create(path))).toBe(-110);
    expect(client.get(multi(remove(path)))).toEqual([{ type: -1, err: -8 }]);
    expect(client.err(exists(path))).toBe(0);
  });

  test('data and ACL of all but the configuration can be set', () => {
    const client = new TestServer().client();
    for (const path of reserved.slice(0, 3)) {
      expect(client.err(setData(path, 'x'))).toBe(0);
      expect(client.err(setACL(path, [worldAcl(31)]))).toBe(0);
    }
    expect(client.err(setData('/zookeeper/config', 'x'))).toBe(-102);
    expect(client.err(setACL('/zookeeper/config', [worldAcl(31)]))).toBe(-102);
    expect(client.get(getACL('/zookeeper/config')).acl).toEqual([worldAcl(1)]);
  });

  test('nodes below /zookeeper come and go', () => {
    const client = new TestServer().client();
    expect(client.err(create('/zookeeper/x'))).toBe(0);
    expect(client.err(create('/zookeeper/quota/x'))).toBe(0);
    expect(client.err(remove('/zookeeper/quota/x'))).toBe(0);
    expect(client.err(remove('/zookeeper/x'))).toBe(0);
  });

  test('the empty path is the root for reads, never for writes', () => {
    const client = new TestServer().client();
    client.get(setData('/', 'root'));
    expect(Buffer.from(client.get(getData('')).data ?? '').toString()).toBe('root');
    expect(client.get(exists('')).stat).toEqual(client.get(exists('/')).stat);
    expect(client.err(create(''))).toBe(-8);
    expect(client.err(remove(''))).toBe(-8);
    expect(client.err(setData('', 'x'))).toBe(-8);
    expect(client.err(setACL('', [worldAcl(31)]))).toBe(-8);
  });
});

describe('path rules (§5.7)', () => {
  const bad = [
    '/a/',
    '/.',
    '/..',
    '/a/.',
    '/a/..',
    '/\u0001',
    '/\u001f',
    '/\u007f',
    '/\u009f',
    '/\ud7ff\ue000',
    '/\uf8ff',
  ];
  const good = ['/...', '/.a', '/a.', '/..a', '/ ', '/\u00a0', '/\ud7ff', '/\uf900', '/\uffef', '/zookeeper2'];

  test.each([...bad, '/\ufff0', '/\uffff', '/x\u0000', '//', '/\u{1f600}', '/\ufffd', 'a'])(
    'no node can be %j',
    (path) => {
      const client = new TestServer().client();
      client.get(create('/a'));
      expect(client.err(create(path))).toBe(-8);
      expect(client.err(setData(path, ''))).toBe(-8);
      expect(client.err(setACL(path, [worldAcl(31)]))).toBe(-8);
    },
  );

  test.each(good)('%j is a good path', (path) => {
    const client = new TestServer().client();
    expect(client.get(create(path)).path).toBe(path);
    expect(client.err(setData(path, ''))).toBe(0);
    expect(client.err(remove(path))).toBe(0);
  });

  test('trap 22: the rules are about UTF-16 units: private use and all beyond U+FFFF are illegal', () => {
    const client = new TestServer().client();
    for (const path of ['/\ue000', '/\uf8ff', '/\u{10000}', '/\u{10ffff}', '/a\u{1d11e}b']) {
      expect(client.err(create(path))).toBe(-8);
    }
  });

  test('trap 21: reads know no path rules: they miss; only NUL in exists is -8', () => {
    const client = new TestServer().client();
    client.get(create('/a'));
    for (const path of ['a', '/a/', '//', '/a//b', '/.', '/a/..', '/\u0001', 'relative/x', '/x\u0000']) {
      expect(client.err(getData(path))).toBe(-101);
      expect(client.err(getChildren(path))).toBe(-101);
      expect(client.err(getACL(path))).toBe(-101);
      expect(client.err(exists(path))).toBe(path.includes('\0') ? -8 : -101);
    }
  });
});
