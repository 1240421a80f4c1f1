/** Memberships where connections and sessions end. */
import { CREATOR_ALL_ACL, connect } from '@treekeeper/client';
import { OpCode } from '@treekeeper/protocol';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fired, until } from '../../interop/src/recipes/waiting.ts';
import { isRecipeError, Membership } from '../src/index.ts';
import { WatchedClient } from './session-end.ts';
import { ToldEvents } from './told-events.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(() => server[Symbol.asyncDispose]());

test('a member stays through lost connections and sessions, with its latest data', async () => {
  const [client, other] = [await server.client({ onExpired: 'new-session' }), await server.client()];
  const group = new Membership(other, '/a');
  const self = await new Membership(client, '/a').join('self', 'one');
  const node = (await group.list()).get('self');
  server.cutConnections(client.sessionId);
  await client.sync('/');
  expect((await group.list()).get('self')).toEqual(node);
  expect(self.state).toBe('joined');
  await server.expireSession(client.sessionId);
  expect((await group.list()).has('self')).toBe(false);
  await self.update('two');
  expect(self.state).toBe('joined');
  expect((await group.list()).get('self')).toMatchObject({ data: 'two', sessionId: client.sessionId });
  await self.leave();
  expect((await group.list()).size).toBe(0);
});

test('who has the name when the member comes back keeps it', async () => {
  let mayConnect = Promise.resolve();
  const resolver = async (host: string): Promise<string[]> => {
    await mayConnect;
    return [host];
  };
  const client = await connect(server.connectString, { onExpired: 'new-session', resolver });
  const other = await server.client();
  const self = await new Membership(client, '/b').join('name', 'first');
  let open = (): void => undefined;
  mayConnect = new Promise((resolve) => {
    open = resolve;
  });
  await server.expireSession(client.sessionId);
  const group = new Membership(other, '/b');
  const stranger = await group.join('name', 'other', { takeOver: false });
  open();
  await fired(self.signal);
  expect(self.state).toBe('lost');
  expect(stranger.state).toBe('joined');
  await self.leave();
  expect((await group.list()).get('name')?.data).toBe('other');
  await client.close();
});

test('a session that ends for good ends the membership', async () => {
  const client = await server.client();
  const self = await new Membership(client, '/c').join('self', 'one');
  await server.expireSession(client.sessionId);
  await fired(self.signal);
  expect(isRecipeError(self.signal.reason, 'LOST')).toBe(true);
  expect(self.state).toBe('lost');
  await self.leave();
});

test('the live set goes on after an outage of the server and in the next session', async () => {
  const [client, other] = [await server.client({ onExpired: 'new-session' }), await server.client()];
  await using members = await new Membership(client, '/d').members();
  const seen = async (...names: string[]): Promise<void> => {
    for await (const present of members) {
      if ([...present.keys()].sort().join() === names.join()) {
        return;
      }
    }
  };
  const group = new Membership(other, '/d');
  const a = await group.join('a', '');
  await seen('a');
  await server.kill();
  const joining = group.join('b', '');
  await server.restart();
  const b = await joining;
  await seen('a', 'b');
  await server.expireSession(client.sessionId);
  await Promise.all([a.leave(), group.join('c', '')]);
  await seen('b', 'c');
  await b.leave();
  await seen('c');
});

test('members that are being read when sessions end are read in the next ones, and there is one watch in the end', async () => {
  await using watched = await WatchedClient.start(server, { onExpired: 'new-session' });
  const { client } = watched;
  await using members = await new Membership(client, '/f').members();
  const seen = async (name: string): Promise<void> => {
    for await (const present of members) {
      if (present.has(name)) {
        return;
      }
    }
  };
  const group = new Membership(await server.client(), '/f');
  for (const name of ['a', 'b', 'c']) {
    const isOver = watched.endDuring(OpCode.getData);
    await group.join(name, '');
    await isOver;
    await seen(name);
  }
  using told = new ToldEvents(client);
  await group.join('d', '');
  await seen('d');
  expect(told.of('/f/d')).toBe(1);
});

test('a live set that cannot begin leaves no watch, and one that fails is not shown any more', async () => {
  const [client, other] = [
    await server.client(),
    await server.client({ auth: [{ scheme: 'digest', credentials: 'a:b' }] }),
  ];
  await other.create('/closed', '', { acl: CREATOR_ALL_ACL });
  await expect(new Membership(client, '/closed').members()).rejects.toThrow('NO_AUTH');
  using told = new ToldEvents(client);
  await other.create('/closed/one', '');
  await client.sync('/');
  expect(told.of('/closed/one')).toBe(0);
  const members = await new Membership(client, '/g').members();
  await server.expireSession(client.sessionId);
  const loop = (async () => {
    for await (const _ of members) {
      // until it fails
    }
  })();
  await expect(loop).rejects.toThrow('SESSION_EXPIRED');
  expect(() => members.current).toThrow('SESSION_EXPIRED');
  await expect(new Membership(client, '/g').members()).rejects.toThrow('SESSION_EXPIRED');
  await other.close();
  await expect(new Membership(other, '/g').members()).rejects.toThrow('CLOSED');
});

test('a join that is given up leaves nothing behind', async () => {
  const [client, other] = [await server.client(), await server.client()];
  const controller = new AbortController();
  const joining = new Membership(client, '/e').join('self', '', { signal: controller.signal });
  controller.abort();
  await expect(joining).rejects.toMatchObject({ code: 'ABORTED' });
  await until(async () => (await new Membership(other, '/e').list()).size === 0);
});
