/** What the client makes of sessions, connections and watches. */
import assert from 'node:assert/strict';
import { type Client, connect } from '@treekeeper/client';
import { type BehaviourCase, eventRecorder, take, told } from './case.ts';
import { FaultProxy } from './fault-proxy.ts';
import { refused } from './operations-cases.ts';

/** Waits for a state; the present one counts. */
export async function until(client: Client, wanted: string): Promise<void> {
  for await (const state of client.states()) {
    if (state === wanted) {
      return;
    }
  }
  throw new Error(`the client ended before it was ${wanted}`);
}

/** Cuts the connection, changes something meanwhile, and waits for the client to be back. */
async function cutWhile(proxy: FaultProxy, client: Client, meanwhile: () => Promise<unknown>): Promise<void> {
  proxy.refuse(true);
  proxy.cutAll();
  await until(client, 'disconnected');
  await meanwhile();
  proxy.refuse(false);
  await until(client, 'connected');
}

export const sessionCases: readonly BehaviourCase[] = [
  {
    name: 'one-shot watches: once, with the first change',
    async run({ client }) {
      const onMissing = eventRecorder();
      assert.equal(await client.exists('/w', { watch: onMissing.listener }), null);
      await client.create('/w');
      assert.deepEqual(told(onMissing.events), ['created /w']);
      const [onData, onChildren, onStat] = [eventRecorder(), eventRecorder(), eventRecorder()];
      await client.get('/w', { watch: onData.listener });
      await client.children('/w', { watch: onChildren.listener });
      await client.exists('/w', { watch: onStat.listener });
      await client.set('/w', '1');
      await client.create('/w/c');
      await client.set('/w', '2');
      await client.create('/w/d');
      assert.deepEqual(told(onData.events), ['data-changed /w']);
      assert.deepEqual(told(onStat.events), ['data-changed /w']);
      assert.deepEqual(told(onChildren.events), ['children-changed /w']);
    },
  },
  {
    name: 'the same listener twice is one watch; a call that fails sets none',
    async run({ client }) {
      const { events, listener } = eventRecorder();
      await client.create('/w');
      await client.get('/w', { watch: listener });
      await client.exists('/w', { watch: listener });
      await refused(client.get('/missing', { watch: listener }), 'NO_NODE');
      await client.set('/w', '1');
      await client.create('/missing');
      assert.deepEqual(told(events), ['data-changed /w']);
    },
  },
  {
    name: 'persistent watches tell everything in order until they are closed',
    async run({ client }) {
      await client.create('/p');
      await using watch = client.watch('/p');
      await using recursive = client.watch('/p', { recursive: true });
      await Promise.all([watch.ready, recursive.ready]);
      await client.create('/p/c');
      await client.set('/p/c', 'x');
      await client.set('/p', 'x');
      await client.delete('/p/c');
      assert.deepEqual(told(await take(recursive, 4)), [
        'created /p/c',
        'data-changed /p/c',
        'data-changed /p',
        'deleted /p/c',
      ]);
    },
  },
  {
    name: 'a persistent watch that is not recursive tells of its node and its children',
    async run({ client }) {
      await using watch = client.watch('/p');
      await watch.ready;
      await client.create('/p');
      await client.create('/p/c');
      await client.set('/p/c', 'not told');
      await client.set('/p', 'x');
      await client.delete('/p/c');
      await client.delete('/p');
      const expected = ['created /p', 'children-changed /p', 'data-changed /p', 'children-changed /p', 'deleted /p'];
      assert.deepEqual(told(await take(watch, expected.length)), expected);
    },
  },
  {
    name: 'several watches on one path; closing one leaves the others',
    async run({ client }) {
      const first = client.watch('/s', { recursive: true });
      await using second = client.watch('/s', { recursive: true });
      await Promise.all([first.ready, second.ready]);
      await first.close();
      assert.deepEqual(await first.next(), { done: true, value: undefined });
      await client.create('/s');
      assert.deepEqual(told(await take(second, 1)), ['created /s']);
    },
  },
  {
    name: 'a watch closed while another of its kind is on its way',
    async run({ client }) {
      const first = client.watch('/s');
      await first.ready;
      const closed = first.close();
      await using second = client.watch('/s');
      await Promise.all([closed, second.ready]);
      await client.create('/s');
      assert.deepEqual(told(await take(second, 1)), ['created /s']);
    },
  },
  {
    name: 'removeWatches',
    async run({ client, flavour }) {
      const { events, listener } = eventRecorder();
      await client.create('/w');
      await client.get('/w', { watch: listener });
      await client.removeWatches('/w', 'data');
      await client.set('/w', 'x');
      assert.deepEqual(told(events), ['removed /w']);
      await refused(client.removeWatches('/w', 'children'), 'NO_WATCHER');
      if (flavour === 'treekeeper') {
        const watch = client.watch('/w', { recursive: true }); // servers before 3.9 have no such kind to remove
        await watch.ready;
        await client.removeWatches('/w', 'recursive');
        assert.deepEqual(told(await take(watch, 2)), ['removed /w']);
      }
    },
  },
  {
    name: 'watches of a view tell its own paths',
    async run({ client }) {
      await client.create('/v/w', null, { createParents: true });
      const view = client.at('/v');
      const { events, listener } = eventRecorder();
      await view.get('/w', { watch: listener });
      await view.children('/', { watch: listener });
      // On a path of its own: servers before 3.9 keep one kind of watch for each.
      await using watch = view.watch('/n', { recursive: true });
      await watch.ready;
      await client.set('/v/w', 'x');
      await client.create('/v/n');
      assert.deepEqual(told(events), ['data-changed /w', 'children-changed /']);
      assert.deepEqual(told(await take(watch, 1)), ['created /n']);
    },
  },
  {
    name: 'a lost connection: the session, its ephemeral nodes and watches live on',
    async run({ client, server, root }) {
      await using proxy = await FaultProxy.start(server);
      await using other = await connect(`${proxy.address}${root}`);
      await client.create('/w');
      await client.create('/c/x', null, { createParents: true });
      const [onData, onMissing, onChildren, onQuiet] = [1, 2, 3, 4].map(eventRecorder);
      assert.ok(onData && onMissing && onChildren && onQuiet);
      await other.get('/w', { watch: onData.listener });
      await other.exists('/later', { watch: onMissing.listener });
      await other.children('/c', { watch: onChildren.listener });
      await other.children('/w', { watch: onQuiet.listener });
      await other.create('/mine', null, { mode: 'ephemeral' });
      const { sessionId } = other;
      await cutWhile(proxy, other, async () => {
        await client.set('/w', 'changed');
        await client.create('/later');
        await client.delete('/c/x');
      });
      assert.equal(other.sessionId, sessionId);
      assert.deepEqual(await other.ephemerals(), ['/mine']);
      assert.deepEqual(told(onData.events), ['data-changed /w']);
      assert.deepEqual(told(onMissing.events), ['created /later']);
      assert.deepEqual(told(onChildren.events), ['children-changed /c']);
      await client.create('/w/child');
      assert.deepEqual(told([await onQuiet.first]), ['children-changed /w']);
    },
  },
  {
    name: 'a persistent watch tells of the gap, and goes on',
    async run({ client, server, root }) {
      await using proxy = await FaultProxy.start(server);
      await using other = await connect(`${proxy.address}${root}`);
      await using watch = other.watch('/', { recursive: true });
      await watch.ready;
      await cutWhile(proxy, other, () => client.create('/missed'));
      await other.sync();
      await client.create('/seen');
      assert.deepEqual(told(await take(watch, 2)), ['gap /', 'created /seen']);
    },
  },
  {
    name: 'identities are said again after a reconnect',
    async run({ server, root }) {
      await using proxy = await FaultProxy.start(server);
      await using other = await connect(`${proxy.address}${root}`);
      await other.addAuth('digest', 'ann:secret');
      await cutWhile(proxy, other, async () => undefined);
      assert.ok((await other.whoAmI()).some(({ user }) => user === 'ann'));
    },
  },
  {
    name: 'calls made without a connection wait for one; those that were sent say that their fate is unknown',
    async run({ client, server, root }) {
      await using proxy = await FaultProxy.start(server);
      await using other = await connect(`${proxy.address}${root}`);
      await client.create('/n', 'here');
      proxy.hold(true);
      const [write, read] = [other.set('/n', 'x'), other.get('/n')];
      await proxy.untilHeld();
      let waiting: Promise<unknown> = Promise.resolve();
      const lost = refused(write, 'CONNECTION_LOSS');
      await cutWhile(proxy, other, async () => {
        waiting = other.set('/n', 'later');
        proxy.hold(false);
      });
      assert.equal((await lost).retry, 'unknown');
      assert.equal((await read).stat.version >= 0, true); // repeated by itself
      await waiting;
      const { code, retry } = await (async () => {
        proxy.refuse(true);
        proxy.cutAll();
        await until(other, 'disconnected');
        return await refused(other.set('/n', 'never sent', { timeoutMs: 50 }), 'TIMEOUT');
      })();
      assert.deepEqual([code, retry], ['TIMEOUT', 'safe']);
      proxy.refuse(false);
    },
  },
  {
    name: 'idempotent and protected writes find out what became of them',
    async run({ client, server, root }) {
      await using proxy = await FaultProxy.start(server);
      await using other = await connect(`${proxy.address}${root}`);
      await client.create('/set', 'old');
      await client.create('/gone');
      await client.create('/list');
      /** The request gets through; its answer does not. */
      const losingTheAnswer = async <T>(call: () => Promise<T>): Promise<T> => {
        proxy.holdAnswers(true);
        const outcome = call();
        outcome.catch(() => undefined);
        await proxy.untilHeld();
        proxy.cutAll();
        proxy.holdAnswers(false);
        return await outcome;
      };
      const stat = await losingTheAnswer(() => other.set('/set', 'new', { version: 0, idempotent: true }));
      assert.equal(stat.version, 1);
      await losingTheAnswer(() => other.delete('/gone', { idempotent: true }));
      const made = await losingTheAnswer(() => other.create('/made', 'x', { mode: 'ephemeral', idempotent: true }));
      assert.equal(made.stat.ephemeralOwner, other.sessionId);
      const mode = 'ephemeral-sequential';
      const { path } = await losingTheAnswer(() => other.create('/list/n-', null, { mode, protect: true }));
      assert.deepEqual(await client.children('/list'), [path.slice('/list/'.length)]);
    },
  },
  {
    name: 'signals and deadlines end the wait',
    async run({ client, server, root }) {
      await using proxy = await FaultProxy.start(server);
      await using other = await connect(`${proxy.address}${root}`);
      await client.create('/n');
      proxy.hold(true);
      const controller = new AbortController();
      const aborted = other.get('/n', { signal: controller.signal });
      const late = other.get('/n', { timeoutMs: 20 });
      controller.abort(new Error('enough'));
      const error = await refused(aborted, 'ABORTED');
      assert.equal((error.cause as Error).message, 'enough');
      await refused(late, 'TIMEOUT');
      await refused(other.get('/n', { signal: AbortSignal.abort() }), 'ABORTED');
      proxy.hold(false);
      assert.equal((await other.get('/n')).stat.version, 0); // their answers are not taken for this one
    },
  },
  {
    name: 'a session is handed over: closed with keepSession, resumed with id and password',
    async run({ client, server, root }) {
      const first = await connect(`${server}${root}`);
      await first.create('/mine', null, { mode: 'ephemeral' });
      const session = { id: first.sessionId, password: first.sessionPassword };
      await first.close({ keepSession: true });
      await using second = await connect(`${server}${root}`, { session });
      assert.equal(second.sessionId, session.id);
      assert.deepEqual(await second.ephemerals(), ['/mine']);
      await second.close();
      assert.equal(await client.exists('/mine'), null);
      await refused(connect(server, { session }), 'SESSION_EXPIRED');
    },
  },
  {
    name: 'an expired session: told clearly; calls and watches end',
    async run({ server, root }) {
      await using proxy = await FaultProxy.start(server);
      const other = await connect(`${proxy.address}${root}`);
      const { events, listener } = eventRecorder();
      await other.exists('/never', { watch: listener });
      const watch = other.watch('/');
      await watch.ready;
      await endElsewhere(proxy, other, server);
      await until(other, 'expired');
      await refused(other.get('/'), 'SESSION_EXPIRED');
      assert.deepEqual(told(events), ['lost /never']);
      await refused(watch.next(), 'SESSION_EXPIRED');
      await other.close();
      assert.equal(other.state, 'closed');
    },
  },
  {
    name: 'onExpired new-session: another session by itself, with all watches',
    async run({ client, server, root }) {
      await using proxy = await FaultProxy.start(server);
      await using other = await connect(`${proxy.address}${root}`, { onExpired: 'new-session' });
      const { first, listener } = eventRecorder();
      await other.exists('/later', { watch: listener });
      await using watch = other.watch('/', { recursive: true });
      await watch.ready;
      const { sessionId } = other;
      const states = other.states();
      await states.next();
      await endElsewhere(proxy, other, server);
      const seen = [await states.next(), await states.next(), await states.next(), await states.next()];
      assert.deepEqual(
        seen.map(({ value }) => value),
        ['disconnected', 'expired', 'connecting', 'connected'],
      );
      assert.notEqual(other.sessionId, sessionId);
      await other.sync();
      await client.create('/later');
      assert.deepEqual(told([await first]), ['created /later']);
      assert.deepEqual(told(await take(watch, 2)), ['gap /', 'created /later']);
    },
  },
  {
    name: 'failFast: servers that cannot be reached are told at once; one that only turns us away is waited for',
    async run({ server }) {
      const gone = await FaultProxy.start(server);
      const { address } = gone;
      await gone[Symbol.asyncDispose]();
      const options = { failFast: true, connectTimeoutMs: Number.MAX_SAFE_INTEGER };
      const error = await refused(connect(`${address},nowhere.invalid:1`, options), 'CONNECT_FAILED');
      assert.match(error.message, /ECONNREFUSED.*ENOTFOUND|ENOTFOUND.*ECONNREFUSED|EAI_AGAIN/);
      await using proxy = await FaultProxy.start(server);
      proxy.refuse(true);
      const connecting = connect(`${address},${proxy.address}`, options);
      await proxy.untilTurnedAway(3);
      proxy.refuse(false);
      await using client = await connecting;
      assert.equal(client.state, 'connected');
      proxy.refuse(true);
      proxy.cutAll();
      await until(client, 'disconnected');
      proxy.refuse(false);
      await until(client, 'connected'); // what is fast to fail is only the beginning
    },
  },
  {
    name: 'no server: CONNECT_FAILED says what was wrong; a closed client says so',
    async run({ server }) {
      await using proxy = await FaultProxy.start(server);
      proxy.refuse(true);
      const error = await refused(connect(proxy.address, { connectTimeoutMs: 300 }), 'CONNECT_FAILED');
      assert.ok(error.message.includes(proxy.address), error.message);
      const client = await connect(server);
      await client.close();
      await client.close();
      await refused(client.get('/'), 'CLOSED');
      assert.ok((await client.states().next()).value === 'closed');
    },
  },
];

/** Ends a session behind its client's back: another connection resumes and closes it. */
async function endElsewhere(proxy: FaultProxy, client: Client, server: string): Promise<void> {
  const session = { id: client.sessionId, password: client.sessionPassword };
  proxy.refuse(true);
  proxy.cutAll();
  const thief = await connect(server, { session });
  await thief.close();
  proxy.refuse(false);
}
