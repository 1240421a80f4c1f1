/** Topics where connections, servers and sessions end: nothing is lost, nothing comes twice, the order stays. */
import { type Client, json } from '@treekeeper/client';
import { OpCode } from '@treekeeper/protocol';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isRecipeError, type Subscription, Topic } from '../src/index.ts';
import { WatchedClient } from './session-end.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(() => server[Symbol.asyncDispose]());

/** The next so many values. */
async function take<T>(subscription: Subscription<T>, count: number): Promise<T[]> {
  const values: T[] = [];
  while (values.length < count) {
    const { value, done } = await subscription.next();
    if (done === true) {
      throw new Error(`it ended behind ${values.join()}`);
    }
    expect(value.missed).toBe(false);
    values.push(value.value);
  }
  return values;
}

test.each(['cut', 'restart', 'expire'] as const)('a subscription goes on after: %s', async (fault) => {
  const publisher = await server.client({ sessionTimeoutMs: 60_000 });
  const client = await server.client({ onExpired: 'new-session', sessionTimeoutMs: 60_000 });
  const topic = new Topic(publisher, `/${fault}`, { codec: json<number>() });
  await using subscription = await new Topic(client, `/${fault}`, { codec: json<number>() }).subscribe();
  const published: number[] = [];
  const publish = async (): Promise<void> => {
    published.push(published.length);
    await topic.publish(published.length - 1);
  };
  const seen: number[] = [];
  for (let round = 0; round < 5; round++) {
    await publish();
    await publish();
    seen.push(...(await take(subscription, 1)));
    if (fault === 'cut') {
      server.cutConnections(client.sessionId);
    } else if (fault === 'restart') {
      await server.kill();
      await server.restart();
    } else {
      await server.expireSession(client.sessionId);
    }
    await publish();
    await publish();
    seen.push(...(await take(subscription, 3)));
  }
  expect(seen).toEqual(published);
});

test.each([
  ['a message', OpCode.getData],
  ['the list', OpCode.getChildren2],
])('%s that is being read when the session ends is read in the next one', async (_, opcode) => {
  const publisher = await server.client();
  const path = `/read-${opcode}`;
  const topic = new Topic(publisher, path);
  await topic.publish('one');
  await using watched = await WatchedClient.start(server, { onExpired: 'new-session' });
  const { client } = watched;
  const { sessionId } = client;
  const isOver = watched.endDuring(opcode);
  const subscribing = new Topic(client, path).subscribe({ from: 'start' });
  const first = subscribing.then((subscription) => take(subscription, 1));
  await isOver;
  expect(await first).toEqual(['one']);
  expect(client.sessionId).not.toBe(sessionId);
  await (await subscribing).close();
});

test('a publication whose answer is lost happens once', async () => {
  const publisher = await server.client();
  const topic = new Topic(publisher, '/once', { codec: json<number>() });
  await using subscription = await new Topic(await server.client(), '/once', { codec: json<number>() }).subscribe();
  for (let n = 0; n < 20; n++) {
    const publishing = topic.publish(n);
    await new Promise((resolve) => setImmediate(resolve));
    server.cutConnections(publisher.sessionId);
    await publishing;
  }
  expect(await take(subscription, 20)).toEqual([...Array(20).keys()]);
  expect((await publisher.children('/once')).length).toBe(20);
});

test('a topic that was removed and made again begins anew, and what was lost with it is told', async () => {
  const client = await server.client();
  const topic = new Topic(client, '/again');
  await using subscription = await topic.subscribe();
  await topic.publish('old');
  expect(await take(subscription, 1)).toEqual(['old']);
  await client.deleteRecursive('/again');
  await topic.publish('new');
  expect((await subscription.next()).value).toMatchObject({ value: 'new', missed: true });
});

test('a slow reader is told of what was thrown away meanwhile', async () => {
  const client = await server.client();
  const topic = new Topic(client, '/slow', { codec: json<number>(), messagesMax: 5 });
  await using subscription = await topic.subscribe();
  for (let n = 0; n < 20; n++) {
    await topic.publish(n);
  }
  const first = await subscription.next();
  expect(first.value?.missed).toBe(true);
  expect((await subscription.next()).value).toMatchObject({ value: (first.value?.value ?? 0) + 1, missed: false });
});

test('who resumes while the next messages are thrown away is told that some may be missing', async () => {
  const client = await server.client();
  const topic = new Topic(client, '/trimmed');
  const positions: bigint[] = [];
  for (const value of ['0', '1', '2', '3', '4']) {
    positions.push(await topic.publish(value));
  }
  const messages = (await client.children('/trimmed')).sort((a, b) => Number(a.slice(-10)) - Number(b.slice(-10)));
  let isTrimmed = false;
  const trimming = new Proxy(client, {
    get(target, name) {
      if (name === 'exists') {
        return async (...parameters: Parameters<Client['exists']>) => {
          if (parameters[0] !== '/trimmed' && !isTrimmed) {
            isTrimmed = true;
            await Promise.all(messages.slice(0, 3).map((message) => client.delete(`/trimmed/${message}`)));
          }
          return await client.exists(...parameters);
        };
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  await using rest = await new Topic(trimming, '/trimmed').subscribe({ from: { after: positions[0]! } });
  expect((await rest.next()).value).toMatchObject({ value: '3', missed: true });
});

test('close, the signal and the client’s end end it; an expired session is a failure', async () => {
  const client = await server.client();
  const closed = await new Topic(client, '/ends').subscribe();
  const waiting = closed.next();
  await closed.close();
  expect((await waiting).done).toBe(true);
  const controller = new AbortController();
  const signalled = await new Topic(client, '/ends').subscribe({ signal: controller.signal });
  const alsoWaiting = signalled.next();
  controller.abort();
  expect((await alsoWaiting).done).toBe(true);
  await expect(new Topic(client, '/ends').subscribe({ signal: controller.signal })).rejects.toThrow('ABORTED');
  const doomed = await server.client();
  const failing = (await new Topic(doomed, '/ends').subscribe()).next().catch((error: unknown) => error);
  await server.expireSession(doomed.sessionId);
  expect(String(await failing)).toContain('SESSION_EXPIRED');
  const ending = (await new Topic(client, '/ends').subscribe()).next();
  await client.close();
  expect((await ending).done).toBe(true);
});

test('nonsense is refused', async () => {
  const client = await server.client();
  expect(() => new Topic(client, '/x', { messagesMax: 0 })).toThrow('INVALID_OPTION');
  try {
    new Topic(client, '/x', { messagesMax: 1.5 });
  } catch (error) {
    expect(isRecipeError(error, 'INVALID_OPTION')).toBe(true);
  }
});
