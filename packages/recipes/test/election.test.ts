/** Elections where connections and sessions end. */
import { type Client, connect, isTreekeeperError } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fired, until } from '../../interop/src/recipes/waiting.ts';
import { Election } from '../src/index.ts';

let server: TestServer;
let other: Client;

beforeAll(async () => {
  server = await startServer();
  other = await server.client();
});

afterAll(() => server[Symbol.asyncDispose]());

test('run stands again after a lost connection, and in the next session', async () => {
  const client = await server.client({ onExpired: 'new-session' });
  const election = new Election(client, '/a');
  const tokens: bigint[] = [];
  const running = election.run(
    async (leadership) => {
      tokens.push(leadership.token);
      if (tokens.length === 1) {
        server.cutConnections(client.sessionId);
        await fired(leadership.signal);
      } else if (tokens.length === 2) {
        await server.expireSession(client.sessionId);
        await fired(leadership.signal);
      }
      return 'done';
    },
    { data: 'me' },
  );
  expect(await running).toBe('done');
  expect(tokens).toHaveLength(3);
  expect(tokens).toEqual(tokens.toSorted((a, b) => (a < b ? -1 : 1)));
});

test('a session that ends for good ends run and campaign', async () => {
  const client = await server.client();
  const election = new Election(client, '/b');
  await using _leadership = await new Election(other, '/b').campaign({ data: 'leader' });
  const standing = election.run(() => Promise.resolve(0), { data: 'me' });
  const refused = expect(standing).rejects.toSatisfy((error) => isTreekeeperError(error, 'SESSION_EXPIRED'));
  await until(async () => (await new Election(other, '/b').candidates()).length === 2);
  await server.expireSession(client.sessionId);
  await refused;
});

test('an observer outlives lost connections, and sessions if its client does', async () => {
  const client = await server.client({ onExpired: 'new-session' });
  await using leaders = await new Election(client, '/c').leaders();
  const seen = async (data: string | null): Promise<void> => {
    for await (const leader of leaders) {
      if ((leader?.data ?? null) === data) {
        return;
      }
    }
  };
  const election = new Election(other, '/c');
  const first = await election.campaign({ data: 'first' });
  await seen('first');
  server.cutConnections(client.sessionId);
  await first.release();
  await seen(null);
  await server.expireSession(client.sessionId);
  await using _second = await election.campaign({ data: 'second' });
  await seen('second');
});

test('an observer whose session ends for good is told', async () => {
  const client = await connect(server.connectString);
  await using leaders = await new Election(client, '/d').leaders();
  const reading = (async () => {
    for await (const _leader of leaders) {
      // until it fails
    }
  })();
  const refused = expect(reading).rejects.toSatisfy((error) => isTreekeeperError(error, 'SESSION_EXPIRED'));
  await server.expireSession(client.sessionId);
  await refused;
});
