import { Create2Response, CreateRequest, GetDataResponse, JuteReader, OPEN_ACL, OpCode, SetDataRequest, StatResponse, WatchedPathRequest } from '@treekeeper/protocol';
import { expect, test } from 'vitest';
import { StandaloneWorld } from '../../../simulator/src/standalone-world.ts';

test('a session creates, sets, reads, watches and survives a crash', () => {
  const world = new StandaloneWorld();
  const client = world.newClient();
  expect(client.sessionId).not.toBe(0n);
  const acl = [...OPEN_ACL];
  client.send(OpCode.create2, CreateRequest, { path: '/a', data: Buffer.from('one'), acl, flags: 0 });
  client.send(OpCode.getData, WatchedPathRequest, { path: '/a', watch: true });
  client.send(OpCode.setData, SetDataRequest, { path: '/a', data: Buffer.from('two'), version: 0 });
  client.send(OpCode.getData, WatchedPathRequest, { path: '/a', watch: false });
  client.send(OpCode.setData, SetDataRequest, { path: '/a', data: Buffer.from('no'), version: 7 });
  world.settle();
  const messages = client.receive();
  expect(messages.map((m) => (m.kind === 'event' ? ['event', m.type, m.path, m.zxid] : [m.xid, m.zxid, m.err]))).toEqual([
    [1, 2n, 0],
    [2, 2n, 0],
    ['event', 3, '/a', 3n],
    [3, 3n, 0],
    [4, 3n, 0],
    [5, 4n, -103],
  ]);
  const created = Create2Response.decode(new JuteReader((messages[0] as { body: Buffer }).body));
  expect(created.path).toBe('/a');
  expect(StatResponse.decode(new JuteReader((messages[3] as { body: Buffer }).body)).stat.version).toBe(1);
  world.crash();
  const again = world.connect();
  again.sendHandshake({ sessionId: client.sessionId, passwd: client.password });
  world.settle();
  again.receive();
  expect(again.sessionId).toBe(client.sessionId);
  again.send(OpCode.getData, WatchedPathRequest, { path: '/a', watch: false });
  world.settle();
  const [reply] = again.receive() as { body: Buffer; zxid: bigint }[];
  expect(reply.zxid).toBe(4n);
  expect(Buffer.from(GetDataResponse.decode(new JuteReader(reply.body)).data ?? []).toString()).toBe('two');
});
