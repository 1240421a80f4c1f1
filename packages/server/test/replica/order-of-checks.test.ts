/** Which error wins when a request has several faults (client-protocol.md §3.4), and what a refusal costs (§3.2). */
import { OpCode } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import {
  addWatch,
  check,
  create,
  create2,
  createContainer,
  createTTL,
  exists,
  getACL,
  getAllChildrenNumber,
  getChildren,
  getChildren2,
  getData,
  getEphemerals,
  multi,
  type Request,
  raw,
  reconfig,
  remove,
  removeWatches,
  setACL,
  setData,
  sync,
} from './requests.ts';
import { bytesOf, digestAcl, type TestClient, TestServer, worldAcl } from './support.ts';

const RULES = simulatedOptions.rules;
const CLOSED = [digestAcl('nobody:x')];
const BAD_ACL = [{ perms: 31, id: { scheme: 'nosuch', id: 'x' } }];

/**
 * /closed lets nobody do anything and has a child; /e is ephemeral; /full is at its quota; /p has two children, of
 * which /p/full has a child and version 1.
 */
function scene(): TestClient {
  const server = new TestServer({ replica: { rules: { ...RULES, enforceQuota: true } } });
  const client = server.client();
  const steps: Request[] = [
    create('/closed'),
    create('/closed/child'),
    setACL('/closed', CLOSED),
    create('/e', { flags: 1 }),
    create('/full', { data: '12345' }),
    create('/zookeeper/quota/full'),
    create('/zookeeper/quota/full/zookeeper_limits', { data: 'count=1,bytes=5=;byteHardLimit=5;countHardLimit=1' }),
    create('/zookeeper/quota/full/zookeeper_stats'),
    create('/p'),
    create('/p/full'),
    create('/p/full/x'),
    create('/p/e', { flags: 1 }),
    setData('/p/full', 'x'),
  ];
  for (const step of steps) {
    client.get(step);
  }
  return client;
}

/** The faulty request wins with this error over everything that the next row has. */
type Rows = readonly (readonly [fault: string, request: Request, err: number])[];

function inOrder(rows: Rows): void {
  test.each(rows)('%s', (_, request, err) => {
    const client = scene();
    const { lastZxid } = client.server;
    expect(client.ask(request)).toMatchObject({ err });
    if (err !== 0 && request.opcode < 100 && err !== -5) {
      expect(client.server.lastZxid, 'a refused write takes a zxid').toBe(lastZxid + 1);
    }
  });
}

describe('create family', () => {
  const nullPath = (flags: number) =>
    raw(
      OpCode.create,
      bytesOf((writer) => [-1, -1, -1, flags].forEach((word) => writer.int(word))),
    );
  const badBody = raw(
    OpCode.create,
    bytesOf((writer) => writer.ustring('/x')),
  );
  inOrder([
    ['the body', badBody, -5],
    ['flags before a null path', nullPath(99), -8],
    ['a null path before the ACL', nullPath(0), -5],
    ['flags before the path', create('nopath', { flags: 7, acl: null }), -8],
    ['flags before the missing parent', create('/nosuch/x', { flags: -1 }), -8],
    ['ttl before the ACL', createTTL('/x', 0n, { acl: null }), -8],
    ['path without a slash before the ACL', create('nopath', { acl: null }), -8],
    ['path with NUL before the ACL', create('/x\0', { acl: null }), -8],
    ['ACL before the missing parent', create('/nosuch/x', { acl: BAD_ACL }), -114],
    ['ACL before the permission', create('/closed/x', { acl: [] }), -114],
    ['ACL before the path rules', create('/x/', { acl: null }), -114],
    ['missing parent before the path rules', create('/nosuch/.'), -101],
    ['missing parent: /a//b has the parent "/a/"', create('/p//b'), -101],
    ['permission before the path rules', create('/closed/.'), -102],
    ['permission before existence', create('/closed/child'), -102],
    ['path rules before existence', create('/p/'), -8],
    ['path rules before the ephemeral parent', create('/e/.'), -8],
    ['existence', create('/p/full'), -110],
    ['ephemeral parent before the quota', create('/e/x', { flags: 2 }), -108],
    ['quota', create('/full/x'), -125],
    ['create2 alike', create2('/closed/child'), -102],
    ['createContainer alike', createContainer('/e/x', { flags: 0 }), -108],
    ['createTTL alike', createTTL('/nosuch/x', 5n), -101],
  ]);
});

describe('delete', () => {
  inOrder([
    [
      'null path',
      raw(
        OpCode.delete,
        bytesOf((writer) => [-1, -1].forEach((word) => writer.int(word))),
      ),
      -5,
    ],
    ['no slash', remove('p'), -8],
    ['NUL', remove('/nosuch/\0'), -8],
    ['reserved before version and children', remove('/zookeeper', 7), -8],
    ['missing parent', remove('/nosuch/x'), -101],
    ['malformed: just missing', remove('/p/'), -101],
    ['permission before existence', remove('/closed/nosuch'), -102],
    ['permission before the version', remove('/closed/child', 7), -102],
    ['existence', remove('/p/nosuch', 7), -101],
    ['version before children', remove('/p/full', 7), -103],
    ['children', remove('/p/full', 1), -111],
    ['none', remove('/p/full/x', 0), 0],
  ]);
});

describe('setData', () => {
  inOrder([
    ['null path', setData(null, 'x'), -8],
    ['path rules before existence', setData('/nosuch/', 'x'), -8],
    ['no slash', setData('p', 'x'), -8],
    ['existence', setData('/closed/nosuch', 'x', 7), -101],
    ['permission before the version', setData('/closed', 'x', 7), -102],
    ['quota before the version', setData('/full', '123456', 7), -125],
    ['version', setData('/full', '1234', 7), -103],
    ['version -2 is no wildcard', setData('/p', 'x', -2), -103],
    ['none', setData('/p/full', 'x', 1), 0],
  ]);
});

describe('setACL', () => {
  inOrder([
    ['null path', setACL(null, null), -8],
    ['path rules before the ACL', setACL('/p/', null), -8],
    ['ACL before existence', setACL('/nosuch', BAD_ACL), -114],
    ['existence', setACL('/closed/nosuch', [worldAcl(31)], 7), -101],
    ['permission before the version', setACL('/closed', [worldAcl(31)], 7), -102],
    ['version', setACL('/p', [worldAcl(31)], 7), -103],
    ['none', setACL('/p', [worldAcl(31)], 0), 0],
  ]);
});

describe('check, in a multi', () => {
  test.each([
    ['path rules', check('/p/', 7), -8],
    ['existence', check('/nosuch', 7), -101],
    ['permission before the version', check('/closed', 7), -102],
    ['version', check('/p/full', 7), -103],
    ['none', check('/p/full', 1), 0],
  ] as const)('%s', (_, request, err) => {
    expect(scene().get(multi(request))[0].err).toBe(err);
  });
});

describe('reads: existence, then permission', () => {
  test.each([exists, getData, getChildren, getChildren2, getACL, getAllChildrenNumber])('%s', (read) => {
    const client = scene();
    expect(client.err(read('/closed'))).toBe(-102);
    expect(client.err(read('/closed/nosuch'))).toBe(-101);
    expect(client.err(read('/p/'))).toBe(-101);
    expect(client.err(read('p'))).toBe(-101);
    expect(client.err(read('/p'))).toBe(0);
    expect(client.err(read('/closed/child'))).toBe(0); // nothing is inherited
  });
});

describe('the consequences named in §3.4', () => {
  test.each<[string, Request, number]>([
    ['create /p//b', create('/p//b'), -101],
    ['create /p/', create('/p/'), -8],
    ['delete /p/', remove('/p/'), -101],
    ['set /p/', setData('/p/', ''), -8],
    ['delete p', remove('p'), -8],
    ['exists p', exists('p'), -101],
  ])('%s', (_, request, err) => {
    expect(scene().err(request)).toBe(err);
  });

  test('trap 20: a missing child under a closed parent is -102, not -101', () => {
    expect(scene().err(remove('/closed/nosuch'))).toBe(-102);
    expect(scene().err(create('/closed/nosuch'))).toBe(-102);
    expect(scene().err(exists('/closed/nosuch'))).toBe(-101);
  });

  test('trap 18: the right to delete is the parent’s; the node’s own list does not matter', () => {
    const client = scene();
    client.get(setACL('/p/full/x', CLOSED));
    expect(client.err(remove('/p/full/x'))).toBe(0);
    expect(client.err(remove('/closed/child'))).toBe(-102);
  });

  test('trap 19: exists needs READ when the node is there', () => {
    const client = scene();
    expect(client.err(exists('/closed'))).toBe(-102);
    client.get(setACL('/p', [worldAcl(2 | 4 | 8 | 16)]));
    expect(client.err(exists('/p'))).toBe(-102);
    expect(client.err(exists('/p/nosuch'))).toBe(-101);
  });

  test('a null path: taken by sync, addWatch and getEphemerals; -121 in removeWatches; else -5', () => {
    const client = scene();
    expect(client.get(sync(null))).toEqual({ path: null });
    expect(client.get(addWatch(null, 0))).toEqual({ err: 0 });
    expect(client.get(getEphemerals(null)).ephemerals.length).toBe(2);
    expect(client.err(removeWatches(null, 3))).toBe(-121);
    for (const opcode of [
      OpCode.exists,
      OpCode.getData,
      OpCode.getACL,
      OpCode.getChildren,
      OpCode.getAllChildrenNumber,
    ]) {
      expect(client.err(raw(opcode, Buffer.from('ffffffff00', 'hex')))).toBe(-5);
    }
  });
});

describe('the zxid of an answer (§3.2)', () => {
  test('trap 7: a refused write takes a zxid, and its answer carries it', () => {
    const client = new TestServer().client();
    expect(client.ask(remove('/nosuch'))).toMatchObject({ zxid: 2, err: -101 });
    expect(client.ask(create('/a'))).toMatchObject({ zxid: 3, err: 0 });
    expect(client.ask(setData('/a', '', 7))).toMatchObject({ zxid: 4, err: -103 });
    expect(client.ask(exists('/a'))).toMatchObject({ zxid: 4, err: 0 });
    client.server.restart();
    expect(client.server.lastZxid).toBe(4);
  });

  test('trap 6: reads carry the last applied zxid, not the node’s', () => {
    const client = new TestServer().client();
    client.get(create('/a'));
    client.get(create('/b'));
    const reads: Request[] = [
      exists('/a'),
      getData('/a'),
      getChildren('/a'),
      sync('/a'),
      addWatch('/a', 0),
      getData('/no'),
    ];
    for (const read of reads) {
      expect(client.ask(read).zxid).toBe(3);
    }
    expect(client.get(exists('/a')).stat.mzxid).toBe(2n);
  });

  test('a write whose body does not decode takes none, and carries the last assigned; a multi takes one', () => {
    const server = new TestServer();
    const client = server.client();
    const bad = (opcode: number) => client.ask(raw(opcode, Buffer.from('000000', 'hex')));
    const singles = [OpCode.create, OpCode.delete, OpCode.setData, OpCode.setACL, OpCode.create2, OpCode.createTTL];
    for (const opcode of singles) {
      expect(bad(opcode)).toMatchObject({ zxid: 1, err: -5 });
    }
    expect(bad(OpCode.multi)).toMatchObject({ zxid: 2, err: -5 });
    expect(client.pipeline(create('/a'), raw(OpCode.create), create('/b'))).toEqual([
      [8, 3, 0],
      [9, 3, -5],
      [10, 4, 0],
    ]);
  });

  test('reconfig on a standalone server: off, then unimplemented; both are refused writes', () => {
    expect(new TestServer().client().ask(reconfig())).toMatchObject({ zxid: 2, err: -123 });
    const on = new TestServer({ replica: { rules: { ...RULES, reconfigEnabled: true } } }).client();
    expect(on.ask(reconfig())).toMatchObject({ zxid: 2, err: -6 });
    expect(on.closed).toBe(false);
  });
});
