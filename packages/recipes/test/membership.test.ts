/** Memberships where connections and sessions end. */
import { connect } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fired, until } from '../../interop/src/recipes/waiting.ts';
import { isRecipeError, Membership } from '../src/index.ts';

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

test('a join that is given up leaves nothing behind', async () => {
  const [client, other] = [await server.client(), await server.client()];
  const controller = new AbortController();
  const joining = new Membership(client, '/e').join('self', '', { signal: controller.signal });
  controller.abort();
  await expect(joining).rejects.toMatchObject({ code: 'ABORTED' });
  await until(async () => (await new Membership(other, '/e').list()).size === 0);
});
