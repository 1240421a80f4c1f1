/** Configurations under faults: subscribers see publications whole and in order, and end with the latest. */
import type { StandardSchema } from '@treekeeper/client';
import { OpCode } from '@treekeeper/protocol';
import { startServer, type TestServer } from '@treekeeper/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Configuration, isRecipeError } from '../src/index.ts';
import { untilAnswered } from '../src/repeat.ts';
import { WatchedClient } from './session-end.ts';

let server: TestServer;
let round = 0;

beforeAll(async () => {
  server = await startServer();
});

afterAll(() => server[Symbol.asyncDispose]());

/** Asks for time to think, as validators may. */
const even: StandardSchema<number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: async (value) => {
      await new Promise((resolve) => setImmediate(resolve));
      return typeof value === 'number' && value % 2 === 0
        ? { value }
        : { issues: [{ message: 'odd', path: ['whole', { key: 'value' }] }] };
    },
  },
};
const schemas = { a: even, b: even };

const step = fc.oneof(
  { weight: 5, arbitrary: fc.constant('publish' as const) },
  { weight: 2, arbitrary: fc.constant('spoil' as const) },
  { weight: 2, arbitrary: fc.constant('cut' as const) },
  { weight: 1, arbitrary: fc.constant('restart' as const) },
  { weight: 2, arbitrary: fc.constant('sync' as const) },
  { weight: 1, arbitrary: fc.constant('rollback' as const) },
);

test('whatever happens, values that were published together are seen together', { timeout: 60_000 }, async () => {
  const [writer, client] = [await server.client(), await server.client()];
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
      const path = `/config-${round++}`;
      const configuration = new Configuration(writer, path, schemas);
      await configuration.publish({ a: 0, b: 0 });
      await using live = await new Configuration(client, path, schemas).follow();
      const seen: number[] = [];
      const following = (async () => {
        for await (const { a, b } of live) {
          seen.push(a, b);
        }
      })();
      let [next, latest, isSpoilt] = [0, 0, false];
      const check = async (): Promise<void> => {
        await live.sync();
        if (isSpoilt) {
          expect([live.current.a, live.errors.size]).toEqual([live.current.b, 2]); // the last good ones that it saw
        } else {
          expect(live.current).toEqual({ a: latest, b: latest });
        }
      };
      for (const each of steps) {
        if (each === 'publish') {
          next += 2;
          [latest, isSpoilt] = [next, false];
          await configuration.publish({ a: next, b: next });
        } else if (each === 'spoil') {
          isSpoilt = true;
          const spoil = () => writer.transaction().set(`${path}/a`, '1').set(`${path}/b`, '1').commit();
          await untilAnswered(spoil, () => false);
        } else if (each === 'cut') {
          server.cutConnections(client.sessionId);
        } else if (each === 'restart') {
          await server.kill();
          await server.restart();
        } else if (each === 'rollback') {
          await configuration.rollback(1);
          [latest, isSpoilt] = [0, false];
        } else {
          await check();
        }
      }
      await check();
      await live.close();
      await following;
      expect(seen.every((value, i) => value === seen[i - (i % 2)])).toBe(true);
    }),
    { numRuns: 25 },
  );
});

test('the error of a refused value says where and why, and goes when it is well again', async () => {
  const client = await server.client();
  const configuration = new Configuration(client, '/errors', schemas);
  await configuration.publish({ a: 2, b: 2 });
  await using live = await configuration.follow();
  const before = live.current;
  await client.set('/errors/a', '3');
  await live.sync();
  const error = live.errors.get('a');
  expect(isRecipeError(error, 'INVALID_DATA') && error.message).toBe('/errors/a: INVALID_DATA: whole.value: odd');
  expect(live.current).toBe(before);
  await client.set('/errors/a', '4');
  await live.sync();
  expect([live.errors.size, live.current.a]).toEqual([0, 4]);
});

test('a publication whose answer is lost happens once', async () => {
  const client = await server.client();
  const configuration = new Configuration(client, '/once', schemas);
  await configuration.publish({ a: 0, b: 0 });
  for (let n = 1; n <= 10; n++) {
    const publishing = configuration.publish({ a: 2 * n });
    for (let turn = 0; turn < n; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    server.cutConnections(client.sessionId);
    expect((await publishing).texts).toEqual({ a: String(2 * n), b: '0' });
  }
  expect((await configuration.history()).map(({ version }) => version)).toEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
});

test('it follows through sessions, and ends with the client', async () => {
  const [writer, client] = [await server.client(), await server.client({ onExpired: 'new-session' })];
  const configuration = new Configuration(writer, '/sessions', schemas);
  await configuration.publish({ a: 2, b: 2 });
  await using live = await new Configuration(client, '/sessions', schemas).follow();
  await server.expireSession(client.sessionId);
  await configuration.publish({ a: 4 });
  for await (const { a } of live) {
    if (a === 4) {
      break;
    }
  }
  const rest = (async () => {
    for await (const _ of live) {
      // until it ends
    }
  })();
  await client.close();
  await rest;
});

test('values that are being read when the session ends are read in the next one', async () => {
  const configuration = new Configuration(await server.client(), '/read', schemas);
  await configuration.publish({ a: 2, b: 2 });
  await using watched = await WatchedClient.start(server, { onExpired: 'new-session' });
  const { client } = watched;
  const { sessionId } = client;
  await using live = await new Configuration(client, '/read', schemas).follow();
  const isOver = watched.endDuring(OpCode.multiRead);
  await configuration.publish({ a: 4 });
  await isOver;
  for await (const { a } of live) {
    if (a === 4) {
      break;
    }
  }
  expect(client.sessionId).not.toBe(sessionId);
  await configuration.publish({ a: 6 });
  await live.sync();
  expect(live.current).toEqual({ a: 6, b: 2 });
});

test('where no session follows, nobody is shown values that are kept up no more', async () => {
  const client = await server.client();
  const configuration = new Configuration(client, '/stale', schemas);
  await configuration.publish({ a: 2, b: 2 });
  await using live = await configuration.follow();
  const loop = (async () => {
    for await (const _ of live) {
      // until it fails
    }
  })();
  const refused = expect(loop).rejects.toThrow('SESSION_EXPIRED');
  await server.expireSession(client.sessionId);
  await refused;
  expect(() => live.current).toThrow('SESSION_EXPIRED');
  const closed = await new Configuration(await server.client(), '/stale', schemas).follow();
  await closed.close();
  expect(closed.current).toEqual({ a: 2, b: 2 }); // closed, not failed
});

test('keys and options that cannot be are refused', async () => {
  const client = await server.client();
  expect(() => new Configuration(client, '/x', { 'a/b': even })).toThrow('INVALID_OPTION');
  expect(() => new Configuration(client, '/x', { '.history': even })).toThrow('INVALID_OPTION');
  expect(() => new Configuration(client, '/x', schemas, { versionsMax: 0 })).toThrow('INVALID_OPTION');
  const configuration: Configuration<Record<string, StandardSchema<number>>> = new Configuration(client, '/x', schemas);
  await expect(configuration.publish({ c: 2 })).rejects.toThrow('there is no key "c"');
  await expect(configuration.publish({ a: 1 })).rejects.toThrow('a was refused by its schema');
  expect(await client.exists('/x')).toBe(null);
});
