/** Elections and memberships, as they behave on every server. */
import assert from 'node:assert/strict';
import { connect, json } from '@treekeeper/client';
import { Election, isRecipeError, type Live, Membership } from '@treekeeper/recipes';
import type { BehaviourCase } from '../client/case.ts';
import { fired, rejects, until } from './waiting.ts';

const electionCases: readonly BehaviourCase[] = [
  {
    name: 'election: one leads, the next follows, and observers see it',
    async run({ client, server, root }) {
      await using observer = await connect(`${server}${root}`);
      await using leaders = await new Election(observer, '/election').leaders();
      await seen(leaders, (leader) => leader === null);
      const election = new Election(client, '/election');
      const first = await election.campaign({ data: 'first' });
      await seen(leaders, (leader) => leader?.data === 'first');
      assert.equal(leaders.current?.token, first.token);
      assert.equal(leaders.current?.sessionId, client.sessionId);
      const standing = election.campaign({ data: 'second' });
      await until(async () => (await election.candidates()).length === 2);
      await first.publish('first, at work');
      await seen(leaders, (leader) => leader?.data === 'first, at work');
      assert.equal((await election.leader())?.node, first.node);
      await first.release();
      const second = await standing;
      assert(second.token > first.token);
      await seen(leaders, (leader) => leader?.data === 'second');
      await rejects(first.publish('too late'), 'FENCED');
      await second.release();
      await seen(leaders, (leader) => leader === null);
      assert.equal(await election.leader(), null);
      await using third = await election.campaign({ data: 'third' });
      await seen(leaders, (leader) => leader?.token === third.token);
    },
  },
  {
    name: 'election: who stops standing leaves nothing behind',
    async run({ client }) {
      const election = new Election(client, '/election', { names: 'kazoo' });
      await using _leadership = await election.campaign({ data: 'leader' });
      const controller = new AbortController();
      const standing = election.campaign({ data: 'hopeless', signal: controller.signal });
      await until(async () => (await election.candidates()).length === 2);
      controller.abort();
      await rejects(standing, 'ABORTED');
      await until(async () => (await election.candidates()).length === 1);
    },
  },
  {
    name: 'election: a task begins anew when its leadership is lost, and its own failure is told',
    async run({ client }) {
      const election = new Election(client, '/election');
      const tokens: bigint[] = [];
      const answer = await election.run(
        async (leadership) => {
          tokens.push(leadership.token);
          if (tokens.length === 1) {
            await client.delete(leadership.node);
            await fired(leadership.signal);
            throw leadership.signal.reason;
          }
          return tokens.length;
        },
        { data: 'me' },
      );
      assert.equal(answer, 2);
      assert((tokens[1] as bigint) > (tokens[0] as bigint));
      const failing = election.run(() => Promise.reject(new RangeError('its own')), { data: 'me' });
      await assert.rejects(failing, new RangeError('its own'));
      assert.equal(await election.leader(), null);
    },
  },
  {
    name: 'election: what is published is typed, and refused when it cannot be read',
    async run({ client }) {
      const election = new Election(client, '/election', { codec: json<{ url: string }>() });
      await using leadership = await election.campaign({ data: { url: 'http://a/' } });
      await using leaders = await election.leaders();
      assert.equal(leaders.current?.data.url, 'http://a/');
      await client.set(leadership.node, 'no JSON');
      await rejects(
        seen(leaders, () => false),
        'INVALID_DATA',
      );
      await rejects(election.leader(), 'INVALID_DATA');
    },
  },
  {
    name: 'live: closing ends a loop that waits, and each loop has its own place',
    async run({ client }) {
      const leaders = await new Election(client, '/election').leaders();
      const [waiting, other] = [leaders[Symbol.asyncIterator](), leaders[Symbol.asyncIterator]()];
      assert.deepEqual(await waiting.next(), { done: false, value: null });
      assert.deepEqual(await other.next(), { done: false, value: null });
      const next = waiting.next();
      await waiting.return?.();
      assert.equal((await next).done, true);
      const otherNext = other.next();
      await leaders.close();
      assert.equal((await otherNext).done, true);
    },
  },
];

const membershipCases: readonly BehaviourCase[] = [
  {
    name: 'membership: who comes, goes and changes is seen',
    async run({ client, server, root }) {
      const observer = await connect(`${server}${root}`);
      const members = await new Membership(observer, '/group').members();
      assert.equal(members.current.size, 0);
      const group = new Membership(client, '/group');
      const a = await group.join('a', 'one');
      await using b = await group.join('b', 'two');
      await seen(members, (present) => present.get('a')?.data === 'one' && present.get('b')?.data === 'two');
      assert.equal(members.current.get('a')?.sessionId, client.sessionId);
      await a.update('changed');
      await seen(members, (present) => present.get('a')?.data === 'changed');
      await a.leave();
      assert(isRecipeError(a.signal.reason, 'RELEASED'));
      await rejects(a.update('too late'), 'RELEASED');
      await seen(members, (present) => !present.has('a') && present.has('b'));
      assert.deepEqual([...(await group.list()).keys()], ['b']);
      assert.equal(b.state, 'joined');
      const rest = readAll(members);
      await observer.close();
      await rest;
    },
  },
  {
    name: 'membership: an earlier run is taken over without being missed, and told',
    async run({ client, server, root }) {
      const group = new Membership(client, '/group');
      await using members = await group.members();
      const sizes: number[] = [];
      const reading = readAll(members, (present) => sizes.push(present.size));
      await using earlierClient = await connect(`${server}${root}`);
      const earlier = await new Membership(earlierClient, '/group').join('host', 'first run');
      await seen(members, (present) => present.get('host')?.data === 'first run');
      await rejects(group.join('host', 'second run', { takeOver: false }), 'NODE_EXISTS');
      const now = await group.join('host', 'second run');
      await seen(members, (present) => present.get('host')?.data === 'second run');
      await fired(earlier.signal);
      assert(isRecipeError(earlier.signal.reason, 'LOST'));
      await earlier.leave(); // it must not take the new one's node along
      await rejects(earlier.update('too late'), 'LOST');
      assert.equal((await group.list()).get('host')?.data, 'second run');
      assert.equal(now.state, 'joined');
      await members.close();
      await reading;
      assert(sizes.indexOf(1) > -1 && !sizes.slice(sizes.indexOf(1)).includes(0), `sizes ${sizes}`);
      await now.leave();
    },
  },
  {
    name: 'membership: an operator may remove a member',
    async run({ client }) {
      const group = new Membership(client, '/group');
      const self = await group.join('a', 'here');
      await client.set(self.node, 'written by hand');
      await self.update('and by itself');
      await client.delete(self.node);
      await fired(self.signal);
      assert.equal(self.state, 'lost');
      assert.equal((await group.list()).size, 0);
    },
  },
  {
    name: 'membership: names and data that cannot be',
    async run({ client }) {
      const told: string[] = [];
      const group = new Membership(client, '/group', {
        codec: json<number>(),
        onInvalid: ({ code, path }) => told.push(`${code} ${path}`),
      });
      await rejects(group.join('a/b', 1), 'INVALID_OPTION');
      await rejects(group.join('', 1), 'INVALID_OPTION');
      await using _one = await group.join('one', 1);
      await client.create('/group/two', 'no JSON');
      assert.deepEqual([...(await group.list()).keys()], ['one']);
      assert.deepEqual(told, ['INVALID_DATA /group/two']);
      await rejects(group.join('two', 2), 'INVALID_DATA');
    },
  },
  {
    name: 'membership: many at once',
    async run({ client }) {
      const group = new Membership(client, '/group');
      await using members = await group.members();
      const names = [...Array(100).keys()].map((i) => `member-${i}`);
      const joined = await Promise.all(names.map((name) => group.join(name, name)));
      await seen(members, (present) => present.size === names.length);
      await Promise.all(joined.map((member) => member.leave()));
      await seen(members, (present) => present.size === 0);
    },
  },
];

export const groupCases: readonly BehaviourCase[] = [...electionCases, ...membershipCases];

/** Reads on until a value is what it should be. */
async function seen<T>(live: Live<T>, is: (value: T) => boolean): Promise<void> {
  for await (const value of live) {
    if (is(value)) {
      return;
    }
  }
  assert.fail('it ended before that was seen');
}

async function readAll<T>(live: Live<T>, tell: (value: T) => void = () => undefined): Promise<void> {
  for await (const value of live) {
    tell(value);
  }
}
