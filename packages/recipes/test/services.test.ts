/** Services: choice and failures by themselves, registrations and directories where sessions end. */
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fired } from '../../interop/src/recipes/waiting.ts';
import { DownList } from '../src/down-policy.ts';
import { leastLoaded, random, roundRobin, type ServiceInstance, Services, sticky } from '../src/index.ts';
import { filled, partsOf } from '../src/uri-pattern.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(() => server[Symbol.asyncDispose]());

const instance = (id: string, metadata = 0): ServiceInstance<number> => ({
  name: 'shop',
  id,
  address: id,
  port: 80,
  sslPort: null,
  metadata,
  enabled: true,
  registeredAtMs: 0,
  url: `http://${id}`,
});
const [a, b, c] = [instance('a', 3), instance('b', 1), instance('c', 1)];

describe('strategies', () => {
  test('random takes any of them', () => {
    const chances = [0, 0.34, 0.99];
    const strategy = random<number>(() => chances.shift() ?? 0);
    expect([1, 2, 3].map(() => strategy([a, b, c]).id)).toEqual(['a', 'b', 'c']);
  });

  test('round robin goes on where it was, whoever comes and goes', () => {
    const strategy = roundRobin<number>();
    expect([strategy([a, b, c]), strategy([a, b, c]), strategy([a, c]), strategy([a, b])].map(({ id }) => id)).toEqual([
      'a',
      'b',
      'c',
      'a',
    ]);
  });

  test('sticky stays as long as it can', () => {
    const strategy = sticky(roundRobin<number>());
    expect([strategy([b, c]), strategy([a, b, c]), strategy([a, c]), strategy([a, b, c])].map(({ id }) => id)).toEqual([
      'b',
      'b',
      'c',
      'c',
    ]);
  });

  test('least loaded takes any of the least', () => {
    const chances = [0, 0.9];
    const strategy = leastLoaded<number>(
      ({ metadata }) => metadata,
      () => chances.shift() ?? 0,
    );
    expect([strategy([a, b, c]).id, strategy([a, b, c]).id]).toEqual(['b', 'c']);
    expect(leastLoaded<number>(() => Number.NaN)([a]).id).toBe('a');
  });
});

describe('who is down', () => {
  test('is out after so many failures in so much time, and back after it', () => {
    let nowMs = 0;
    const down = new DownList({ failures: 2, forMs: 100 }, () => nowMs);
    down.failed('a');
    expect(down.isDown('a')).toBe(false);
    nowMs = 99;
    down.failed('a');
    expect([down.isDown('a'), down.isDown('b')]).toEqual([true, false]);
    nowMs = 100;
    expect(down.isDown('a')).toBe(false);
    down.failed('a');
    down.succeeded('a');
    down.failed('a');
    expect(down.isDown('a')).toBe(false);
    down.failed('a');
    down.keep(new Set(['b']));
    expect(down.isDown('a')).toBe(false);
  });

  test('is not chosen, unless all are down', async () => {
    const client = await server.client();
    const services = new Services(client, '/down');
    const register = (id: string) => services.register('shop', { id, address: id, port: 80, metadata: null });
    await using _a = await register('a');
    await using _b = await register('b');
    await using directory = await services.directory('shop', { down: { failures: 1 }, now: () => 0 });
    directory.failed('a');
    expect(directory.urls()).toEqual(['http://b:80']);
    directory.failed('b');
    expect(directory.urls()).toEqual(['http://a:80', 'http://b:80']);
    directory.succeeded('a');
    expect(directory.pick()?.id).toBe('a');
  });
});

describe('patterns of URIs', () => {
  test.each([
    ['{scheme}://{ address }:{port}', 'http://h:80'],
    ['no fields', 'no fields'],
    ['{[}{unknown}{]}', '{}'],
    ['', ''],
  ])('%s', (pattern, expected) => {
    const fields = new Map([
      ['scheme', 'http'],
      ['address', 'h'],
      ['port', '80'],
      ['[', '{'],
      [']', '}'],
    ]);
    expect(filled(partsOf(pattern), fields)).toBe(expected);
  });

  test.each(['{a', 'a}', '{a{b}}'])('%s has no form', (pattern) => {
    expect(() => partsOf(pattern)).toThrow('braces');
  });
});

test('a registration lives through cut connections and expired sessions; directories see both', async () => {
  const [client, other] = [await server.client({ onExpired: 'new-session' }), await server.client()];
  const self = await new Services(client, '/lives').register('shop', {
    id: 'a',
    address: 'h',
    port: 1,
    metadata: null,
  });
  await using directory = await new Services(other, '/lives').directory('shop');
  server.cutConnections();
  await directory.sync();
  expect(directory.urls()).toEqual(['http://h:1']);
  await server.expireSession(client.sessionId);
  await self.update({ port: 2 });
  await directory.sync();
  expect([directory.urls(), self.state]).toEqual([['http://h:2'], 'joined']);
  await other.delete(self.node);
  await fired(self.signal);
  await directory.sync();
  expect([directory.pick(), self.state]).toEqual([null, 'lost']);
});

test('an instance that is started again under its id is never missed', async () => {
  const [first, second, other] = [await server.client(), await server.client(), await server.client()];
  const description = { id: 'a', address: 'h', metadata: null };
  const earlier = await new Services(first, '/again').register('shop', { ...description, port: 1 });
  let answers = Promise.resolve();
  let release = (): void => undefined;
  // What the directory reads is held back, so that it has heard of the new run and not seen it yet.
  const slow = new Proxy(other, {
    get(target, key) {
      const value = Reflect.get(target, key);
      if (key !== 'get') {
        return typeof value === 'function' ? value.bind(target) : value;
      }
      return async (...parameters: Parameters<typeof target.get>) => {
        const found = await target.get(...parameters);
        await answers;
        return found;
      };
    },
  });
  await using directory = await new Services(slow, '/again').directory('shop');
  const lengths: number[] = [];
  const reading = (async () => {
    for await (const { length } of directory) {
      lengths.push(length);
    }
  })();
  answers = new Promise((resolve) => {
    release = resolve;
  });
  await using _later = await new Services(second, '/again').register('shop', { ...description, port: 2 });
  await fired(earlier.signal);
  await other.sync('/');
  await new Promise((resolve) => setImmediate(resolve));
  expect(directory.urls()).toEqual(['http://h:1']);
  release();
  await directory.sync();
  expect(directory.urls()).toEqual(['http://h:2']);
  await directory.close();
  await reading;
  expect(new Set(lengths)).toEqual(new Set([1]));
});

test('a directory outlives those who remove the watches of its client', async () => {
  const client = await server.client();
  const services = new Services(client, '/unwatched');
  await using directory = await services.directory('shop');
  await client.removeWatches('/unwatched/shop');
  await using _self = await services.register('shop', { id: 'a', address: 'h', metadata: null });
  await directory.sync();
  expect(directory.urls()).toEqual(['http://h']);
});

test('metadata are checked by the schema, when they are registered and when they are read', async () => {
  const client = await server.client();
  const schema = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value: unknown) =>
        typeof value === 'string' ? { value } : { issues: [{ message: 'not a text', path: ['zone'] }] },
    },
  } as const;
  const services = new Services<string>(client, '/schema', { schema });
  const wrong = { id: 'a', address: 'h', metadata: 5 };
  await expect(services.register('shop', wrong as never)).rejects.toThrow('zone: not a text');
  await using _wrong = await new Services<number>(client, '/schema').register('shop', wrong);
  await using _right = await services.register('shop', { id: 'b', address: 'h', metadata: 'eu' });
  const told: string[] = [];
  await using directory = await services.directory('shop', { onInvalid: ({ path }) => told.push(path) });
  expect(directory.current.map(({ metadata, url }) => [metadata, url])).toEqual([['eu', 'http://h']]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toEqual(['/schema/shop/a']);
});

test('a directory fails with its session, and ends with its client', async () => {
  const [doomed, client] = [await server.client(), await server.client()];
  const failing = await new Services(doomed, '/ends').directory('shop');
  const ending = await new Services(client, '/ends').directory('shop');
  const endOf = async (directory: typeof failing): Promise<string> => {
    try {
      for await (const _ of directory) {
        // until it ends
      }
      return 'over';
    } catch (error) {
      return String(error);
    }
  };
  const ends = [endOf(failing), endOf(ending)];
  await server.expireSession(doomed.sessionId);
  await client.close();
  expect(await ends[0]).toContain('SESSION_EXPIRED');
  expect(await ends[1]).toBe('over');
});
