/** Configuration, services and topics, as they behave on every server. */
import assert from 'node:assert/strict';
import { connect, json, type StandardSchema } from '@treekeeper/client';
import { Configuration, roundRobin, Services, Topic } from '@treekeeper/recipes';
import type { BehaviourCase } from '../client/case.ts';
import { fired, rejects, until } from './waiting.ts';

/** Accepts what a function makes something of. */
function schemaOf<T>(what: string, accept: (value: unknown) => T | undefined): StandardSchema<T> {
  const validate = (value: unknown) => {
    const accepted = accept(value);
    return accepted === undefined ? { issues: [{ message: `not ${what}` }] } : { value: accepted };
  };
  return { '~standard': { version: 1, vendor: 'test', validate } };
}

const number = schemaOf('a number', (value) => (typeof value === 'number' ? value : undefined));
const text = schemaOf('a text', (value) => (typeof value === 'string' ? value : undefined));

const configurationCases: readonly BehaviourCase[] = [
  {
    name: 'configuration: what is published together is seen together, and versions can be gone back to',
    async run({ client, server, root }) {
      await using other = await connect(`${server}${root}`);
      const configuration = new Configuration(client, '/config', { size: number, motd: text });
      await rejects(configuration.follow(), 'INVALID_DATA');
      const first = await configuration.publish({ size: 1, motd: 'one' }, { author: 'ann' });
      await using live = await new Configuration(other, '/config', { size: number, motd: text }).follow();
      assert.deepEqual(live.current, { size: 1, motd: 'one' });
      const second = await configuration.publish({ size: 2, motd: 'two' }, { expectedVersion: first.version });
      await rejects(configuration.publish({ size: 3 }, { expectedVersion: first.version }), 'CONFLICT');
      await rejects(configuration.publish({ size: 'four' as unknown as number }), 'INVALID_OPTION');
      for await (const { size, motd } of live) {
        assert(size === 1 ? motd === 'one' : motd === 'two');
        if (size === 2) {
          break;
        }
      }
      await configuration.publish({ motd: undefined });
      const back = await configuration.rollback(second.version, { author: 'bob' });
      await live.sync();
      assert.deepEqual([live.current, live.version, live.errors.size], [{ size: 2, motd: 'two' }, 4, 0]);
      const history = await configuration.history();
      assert.deepEqual(
        history.map(({ version, author, texts }) => [version, author, texts]),
        [
          [4, 'bob', { size: '2', motd: '"two"' }],
          [3, '', { size: '2' }],
          [2, '', { size: '2', motd: '"two"' }],
          [1, 'ann', { size: '1', motd: '"one"' }],
        ],
      );
      assert.equal(back.comment, 'back to version 2');
    },
  },
  {
    name: 'configuration: the last good value stays when a schema refuses the next one',
    async run({ client }) {
      const told: string[] = [];
      const configuration = new Configuration(client, '/config', { size: number, motd: text });
      await client.create('/config/size', '5', { createParents: true });
      await using live = await configuration.follow({
        fallback: { motd: 'none' },
        onInvalid: ({ path }) => told.push(path),
      });
      assert.deepEqual([live.current, [...live.errors.keys()], live.version], [{ size: 5, motd: 'none' }, ['motd'], 0]);
      await client.set('/config/size', '{');
      await client.create('/config/motd', '"hello"');
      await live.sync();
      assert.deepEqual([live.current, [...live.errors.keys()]], [{ size: 5, motd: 'hello' }, ['size']]);
      await client.delete('/config/size');
      await live.sync();
      assert.deepEqual([live.current.size, live.errors.has('size')], [5, true]);
      await client.create('/config/size', '6');
      await live.sync();
      assert.deepEqual([live.current, live.errors.size], [{ size: 6, motd: 'hello' }, 0]);
      assert.deepEqual(told, ['/config/motd', '/config/size', '/config/size']);
    },
  },
  {
    name: 'configuration: many publish at once, each version is one of them, and the oldest go',
    async run({ client, server, root }) {
      await using other = await connect(`${server}${root}`);
      const publishers = [client, other].map(
        (each) => new Configuration(each, '/config', { a: number, b: number }, { versionsMax: 3 }),
      );
      const published = await Promise.all(
        [1, 2, 3, 4, 5, 6].map(async (n) => await publishers[n % 2]?.publish({ a: n, b: n })),
      );
      assert.deepEqual(published.map((each) => each?.version).sort(), [1, 2, 3, 4, 5, 6]);
      const history = (await publishers[0]?.history()) ?? [];
      assert.deepEqual(
        history.map(({ version }) => version),
        [6, 5, 4],
      );
      assert(history.every(({ texts }) => texts['a'] === texts['b']));
      await rejects(publishers[0]?.rollback(2) ?? Promise.resolve(), 'INVALID_OPTION');
    },
  },
];

const serviceCases: readonly BehaviourCase[] = [
  {
    name: 'services: instances come, change and go in a directory',
    async run({ client, server, root }) {
      await using other = await connect(`${server}${root}`);
      const services = new Services<{ load: number }>(client, '/services');
      await using directory = await new Services<{ load: number }>(other, '/services').directory('shop', {
        strategy: roundRobin(),
      });
      assert.equal(directory.pick(), null);
      const a = await services.register('shop', { id: 'a', address: 'host-a', port: 80, metadata: { load: 1 } });
      await using _b = await services.register('shop', {
        id: 'b',
        address: '::1',
        sslPort: 8443,
        metadata: { load: 2 },
      });
      await directory.sync();
      assert.deepEqual(directory.urls(), ['http://host-a:80', 'https://[::1]:8443']);
      assert.deepEqual(
        [1, 2, 3].map(() => directory.pick()?.id),
        ['a', 'b', 'a'],
      );
      await a.update({ enabled: false, metadata: { load: 9 } });
      await directory.sync();
      assert.deepEqual(
        [directory.current.length, directory.current[0]?.metadata.load, directory.pick()?.id],
        [2, 9, 'b'],
      );
      await a.unregister();
      for await (const instances of directory) {
        if (instances.length === 1) {
          break;
        }
      }
      assert.deepEqual(await services.names(), ['shop']);
      assert.deepEqual(
        (await services.instances('shop')).map(({ id }) => id),
        ['b'],
      );
    },
  },
  {
    name: 'services: an instance of Curator’s form is found, and ours has that form',
    async run({ client }) {
      const parts = [
        { value: 'scheme', variable: true },
        { value: '://', variable: false },
        { value: 'address', variable: true },
        { value: '/v1', variable: false },
      ];
      const theirs = {
        name: 'mail',
        id: 'theirs',
        address: '10.20.30.40',
        port: 1234,
        sslPort: null,
        payload: { '@class': 'com.example.Zone', zone: 'eu' },
        registrationTimeUTC: 1325129459728,
        serviceType: 'STATIC',
        uriSpec: { parts },
      };
      await client.create('/services/mail/theirs', JSON.stringify(theirs), { createParents: true });
      await client.create('/services/mail/broken', '{"name":"mail","id":"broken"}');
      const services = new Services<{ zone: string }>(client, '/services');
      await rejects(services.instances('mail'), 'INVALID_DATA');
      const told: string[] = [];
      await using directory = await services.directory('mail', { onInvalid: ({ path }) => told.push(path) });
      await until(async () => told.length === 1);
      assert.equal(told[0], '/services/mail/broken');
      const [instance] = directory.current;
      assert.deepEqual(
        [instance?.url, instance?.metadata.zone, instance?.enabled],
        ['http://10.20.30.40/v1', 'eu', true],
      );
      const uri = '{scheme}://{address}/v1';
      const ours = { id: 'ours', address: 'h', sslPort: 443, metadata: { zone: 'us' }, uri };
      await using self = await services.register('mail', ours);
      const { value } = await client.get(self.node, { codec: json<Record<string, unknown>>() });
      const { registrationTimeUTC, ...rest } = value;
      assert.equal(typeof registrationTimeUTC, 'number');
      assert.deepEqual(rest, {
        name: 'mail',
        id: 'ours',
        address: 'h',
        port: null,
        sslPort: 443,
        payload: { zone: 'us' },
        serviceType: 'DYNAMIC',
        uriSpec: { parts },
        enabled: true,
      });
    },
  },
  {
    name: 'services: the same id is a new run of the same instance; nonsense is refused',
    async run({ client, server, root }) {
      await using other = await connect(`${server}${root}`);
      const description = { id: 'one', address: 'h', port: 1, metadata: null };
      const earlier = await new Services(other, '/services').register('shop', description);
      const services = new Services(client, '/services');
      await using _now = await services.register('shop', { ...description, port: 2 });
      await fired(earlier.signal);
      assert.deepEqual(
        (await services.instances('shop')).map(({ url }) => url),
        ['http://h:2'],
      );
      await rejects(services.register('shop', { ...description, port: 70_000 }), 'INVALID_OPTION');
      await rejects(services.register('shop', { ...description, id: 'a/b' }), 'INVALID_OPTION');
      await rejects(services.register('shop', { ...description, uri: '{scheme' }), 'INVALID_OPTION');
      await rejects(services.register('', description), 'INVALID_OPTION');
    },
  },
];

const topicCases: readonly BehaviourCase[] = [
  {
    name: 'topic: every subscriber gets every message in one order',
    async run({ client, server, root }) {
      await using other = await connect(`${server}${root}`);
      const topics = [client, other].map((each) => new Topic(each, '/topic'));
      const subscriptions = await Promise.all(topics.map((topic) => topic.subscribe()));
      const count = 40;
      for (let n = 0; n < count; n += 2) {
        await Promise.all([topics[0]?.publish(`a${n}`), topics[1]?.publish(`b${n + 1}`)]);
      }
      const seen = await Promise.all(
        subscriptions.map(async (subscription) => {
          const values: string[] = [];
          for await (const { value, missed } of subscription) {
            assert.equal(missed, false);
            if (values.push(value) === count) {
              break;
            }
          }
          return values;
        }),
      );
      assert.deepEqual(seen[0], seen[1]);
      const ofA = seen[0]?.filter((value) => value.startsWith('a'));
      assert.deepEqual(
        ofA,
        [...Array(count / 2).keys()].map((n) => `a${2 * n}`),
      );
    },
  },
  {
    name: 'topic: who comes back goes on where it was, and is told what is kept no longer',
    async run({ client }) {
      const topic = new Topic(client, '/topic', { codec: json<number>(), messagesMax: 10 });
      const positions: bigint[] = [];
      for (let n = 0; n < 30; n++) {
        positions.push(await topic.publish(n));
      }
      const names = await client.children('/topic');
      assert(names.length >= 10 && names.length <= 11);
      const firstBehind = async (after: bigint) => {
        await using subscription = await topic.subscribe({ from: { after } });
        const { value } = await subscription.next();
        return [value?.value, value?.missed];
      };
      assert.deepEqual(await firstBehind(positions[25] ?? 0n), [26, false]);
      assert.deepEqual(await firstBehind(positions[3] ?? 0n), [30 - names.length, true]);
      await using all = await topic.subscribe({ from: 'start' });
      assert.deepEqual([(await all.next()).value?.value, (await all.next()).value?.missed], [30 - names.length, false]);
    },
  },
  {
    name: 'topic: a message that cannot be read is told, or ends the subscription',
    async run({ client }) {
      const topic = new Topic(client, '/topic', { codec: json<number>() });
      await topic.publish(1);
      await new Topic(client, '/topic').publish('{');
      await topic.publish(3);
      await using strict = await topic.subscribe({ from: 'start' });
      assert.equal((await strict.next()).value?.value, 1);
      await rejects(strict.next(), 'INVALID_DATA');
      assert.equal((await strict.next()).done, true);
      const told: string[] = [];
      await using patient = await topic.subscribe({ from: 'start', onInvalid: ({ code }) => told.push(code) });
      assert.deepEqual([(await patient.next()).value?.value, (await patient.next()).value?.value], [1, 3]);
      assert.deepEqual(told, ['INVALID_DATA']);
    },
  },
];

export const dataCases: readonly BehaviourCase[] = [...configurationCases, ...serviceCases, ...topicCases];
