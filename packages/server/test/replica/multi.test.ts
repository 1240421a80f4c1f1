/** multi and multiRead (client-protocol.md §6). */
import { ErrorNumber, OpCode } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import {
  check,
  create,
  create2,
  createContainer,
  createTTL,
  exists,
  getChildren,
  getChildren2,
  getData,
  multi,
  multiEndedBy,
  multiRead,
  type Request,
  raw,
  remove,
  setACL,
  setData,
} from './requests.ts';
import { digestAcl, TestServer, worldAcl } from './support.ts';

const { RUNTIME_INCONSISTENCY } = ErrorNumber;

describe('what it may hold', () => {
  test('each operation has its own kind of result', () => {
    const client = new TestServer().client();
    const results = client.get(
      multi(
        create('/a', { data: 'x' }),
        create2('/b'),
        createContainer('/c'),
        createTTL('/t', 5000n),
        setData('/a', 'yy'),
        check('/a', 1),
        remove('/b'),
      ),
    );
    expect(results.map(({ type, err }) => [type, err])).toEqual([
      [1, 0],
      [15, 0],
      [15, 0],
      [15, 0],
      [5, 0],
      [13, 0],
      [2, 0],
    ]);
    expect(results.map(({ path }) => path)).toEqual(['/a', '/b', '/c', '/t', undefined, undefined, undefined]);
    expect(results[1].stat).toMatchObject({ czxid: 2n, version: 0 });
    expect(results[4].stat).toMatchObject({ version: 1, dataLength: 2 });
  });

  test.each<[string, Request]>([
    ['setACL', setACL('/a', [worldAcl(31)])],
    ['exists', exists('/')],
    ['getData', getData('/')],
    ['getChildren', getChildren('/')],
    ['getChildren2', getChildren2('/')],
    ['deleteContainer', raw(OpCode.deleteContainer, Buffer.from('000000022f61', 'hex'))],
    ['a multi', multi()],
  ])('%s is not allowed: -5 for the whole request', (_, part) => {
    const client = new TestServer().client();
    expect(client.ask(multi(create('/a'), part))).toMatchObject({ zxid: 2, err: -5 });
    expect(client.err(exists('/a'))).toBe(-101);
  });

  test.each<[string, Request]>([
    ['create', create('/a')],
    ['exists', exists('/')],
    ['getChildren2', getChildren2('/')],
  ])('%s is not allowed in a multiRead', (_, part) => {
    const client = new TestServer().client();
    expect(client.ask(multiRead(getData('/'), part))).toMatchObject({ zxid: 1, err: -5 });
  });

  test('flags out of range: -5 for the whole multi (3.10)', () => {
    const client = new TestServer().client();
    expect(client.err(multi(create('/a'), create('/b', { flags: 7 })))).toBe(-5);
    expect(client.err(multi(create('/a'), create('/b', { flags: -1 })))).toBe(-5);
    expect(client.err(multi(create('/a'), create('/b', { flags: 5 })))).toBe(-5); // no ttl to read behind it
    expect(client.err(multi(create('/a'), createContainer('/b', { flags: 6 })))).toBe(-5);
    expect(client.get(multi(create('/a'), createTTL('/b', 0n)))[1].err).toBe(-8);
    expect(client.err(exists('/a'))).toBe(-101);
  });

  test('only `done` ends the list: any type with it does, and nothing else', () => {
    const client = new TestServer().client();
    expect(client.get(multiEndedBy({ type: 5, done: true, err: 99 }, create('/a'))).length).toBe(1);
    expect(client.err(multiEndedBy(null, create('/b')))).toBe(-5);
    expect(client.err(multiEndedBy({ type: -1, done: false, err: -1 }, create('/b')))).toBe(-5);
    expect(client.err(exists('/b'))).toBe(-101);
  });

  test('an empty one: the terminator alone, and a zxid', () => {
    const client = new TestServer().client();
    expect(client.ask(multi())).toMatchObject({ zxid: 2, err: 0, value: [] });
    expect(client.ask(multiRead())).toMatchObject({ zxid: 2, err: 0, value: [] });
  });
});

describe('all or nothing', () => {
  test('trap 8: after a failure the header says 0, every result is an error, and nothing is done', () => {
    const client = new TestServer().client();
    const answer = client.ask(
      multi(create('/a'), create('/b'), remove('/nosuch'), create('/c'), setData('/nosuch', '')),
    );
    expect(answer).toMatchObject({ zxid: 2, err: 0 });
    expect(answer.value).toEqual([
      { type: -1, err: 0 },
      { type: -1, err: 0 },
      { type: -1, err: -101 },
      { type: -1, err: RUNTIME_INCONSISTENCY },
      { type: -1, err: RUNTIME_INCONSISTENCY },
    ]);
    expect(client.get(getChildren('/')).children).toEqual(['zookeeper']);
    expect(client.get(exists('/')).stat.pzxid).toBe(0n);
    expect(client.server.lastZxid).toBe(2);
  });

  test('a failed one leaves nothing behind for the writes in flight behind it', () => {
    const client = new TestServer().client();
    client.get(create('/a', { data: 'x' }));
    const [, second, third] = client.pipeline(
      multi(setData('/a', 'y', 0), remove('/a', 1), create('/a/x')),
      setData('/a', 'z', 0),
      create('/a/s-', { flags: 2 }),
    );
    expect(second).toEqual([3, 4, 0]);
    expect(third).toEqual([4, 5, 0]);
    expect(client.get(getChildren('/a')).children).toEqual(['s-0000000000']);
  });

  test('operations see those before them', () => {
    const client = new TestServer().client();
    const results = client.get(
      multi(
        create('/n'),
        remove('/n'),
        create2('/n', { data: '1' }),
        setData('/n', '2', 0),
        setData('/n', '3', 1),
        check('/n', 2),
        create('/n/s-', { flags: 2 }),
        create('/n/s-', { flags: 2 }),
      ),
    );
    expect(results.every(({ err }) => err === 0)).toBe(true);
    // Each stat is that after its operation, not that at the end.
    expect([results[2], results[3], results[4]].map(({ stat }) => stat?.version)).toEqual([0, 1, 2]);
    expect([results[6].path, results[7].path]).toEqual(['/n/s-0000000000', '/n/s-0000000001']);
    expect(client.get(exists('/n')).stat).toMatchObject({ czxid: 2n, version: 2, cversion: 2, numChildren: 2 });
  });

  test('each operation’s errors are its own: -102, -103, -110, -111, -8', () => {
    const client = new TestServer().client();
    client.get(create('/p'));
    client.get(create('/p/c'));
    client.get(create('/closed', { acl: [digestAcl('nobody:x')] }));
    const failing: [Request, number][] = [
      [create('/closed/x'), -102],
      [setData('/closed', ''), -102],
      [setData('/p', '', 9), -103],
      [create('/p'), -110],
      [remove('/p'), -111],
      [remove('/'), -8],
      [check('/closed'), -102],
      [check('/p', 3), -103],
      [createTTL('/x', 0n), -8],
    ];
    for (const [request, err] of failing) {
      expect(client.get(multi(request, create('/never')))).toEqual([
        { type: -1, err },
        { type: -1, err: RUNTIME_INCONSISTENCY },
      ]);
    }
    expect(client.err(exists('/never'))).toBe(-101);
  });

  test('trap 8: checks alone change nothing, and take a zxid', () => {
    const client = new TestServer().client();
    expect(client.ask(multi(check('/', -1), check('/', 0)))).toMatchObject({ zxid: 2, err: 0 });
  });

  test('events op by op, all before the reply, not collapsed', () => {
    const server = new TestServer();
    const [client, watcher] = [server.client(), server.client()];
    watcher.get(raw(OpCode.addWatch, Buffer.from('000000012f00000001', 'hex')));
    watcher.err(exists('/n', true));
    client.get(multi(create('/n'), setData('/n', 'x'), remove('/n'), create('/n')));
    expect(watcher.events()).toEqual([
      ['event', 1, '/n', 3],
      ['event', 3, '/n', 3],
      ['event', 2, '/n', 3],
      ['event', 1, '/n', 3],
    ]);
  });

  test('a restart replays it as it was', () => {
    const server = new TestServer();
    const client = server.client();
    client.get(multi(create('/a'), create('/a/s', { flags: 2 }), remove('/a/s0000000000'), setData('/a', 'x')));
    client.get(multi(create('/b'), remove('/nosuch')));
    const { stat } = client.get(exists('/a'));
    server.restart();
    const again = server.client();
    expect(again.get(exists('/a')).stat).toEqual(stat);
    expect(again.err(exists('/b'))).toBe(-101);
  });

  test('quota checks look at applied totals only, so one multi can overshoot', () => {
    const client = new TestServer({ replica: { rules: { ...simulatedOptions.rules, enforceQuota: true } } }).client();
    client.get(create('/q'));
    client.get(create('/zookeeper/quota/q'));
    client.get(create('/zookeeper/quota/q/zookeeper_limits', { data: 'count=-1,bytes=-1=;countHardLimit=2' }));
    client.get(create('/zookeeper/quota/q/zookeeper_stats'));
    const results = client.get(multi(create('/q/a'), create('/q/b'), create('/q/c')));
    expect(results.map(({ err }) => err)).toEqual([0, 0, 0]);
    expect(client.err(create('/q/d'))).toBe(-125);
  });

  test('ephemerals of a multi belong to the session', () => {
    const server = new TestServer();
    const client = server.client();
    client.get(multi(create('/e', { flags: 1 }), create2('/f', { flags: 3 })));
    client.close();
    expect(server.client().get(getChildren('/')).children).toEqual(['zookeeper']);
  });
});

describe('multiRead', () => {
  test('each read stands alone: one that fails spoils nothing', () => {
    const client = new TestServer().client();
    client.get(create('/a', { data: 'A' }));
    client.get(create('/a/b'));
    client.get(create('/closed', { acl: [digestAcl('nobody:x')] }));
    const answer = client.ask(multiRead(getData('/a'), getData('/nosuch'), getChildren('/a'), getData('/closed')));
    expect(answer).toMatchObject({ zxid: 4, err: 0 });
    expect(answer.value).toEqual([
      { type: 4, err: 0, data: 'A', stat: client.get(exists('/a')).stat },
      { type: -1, err: -101 },
      { type: 8, err: 0, children: ['b'] },
      { type: -1, err: -102 },
    ]);
    expect(client.server.lastZxid).toBe(4);
  });

  test('trap 17: its watch flags are ignored', () => {
    const client = new TestServer().client();
    client.get(create('/a'));
    client.get(multiRead(getData('/a', true), getChildren('/a', true)));
    client.get(setData('/a', 'x'));
    client.get(create('/a/b'));
    expect(client.events()).toEqual([]);
  });
});
