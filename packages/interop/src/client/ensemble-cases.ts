/** What the client makes of an ensemble: servers that die, servers that change. */
import assert from 'node:assert/strict';
import { type Client, connect, isTreekeeperError, utf8, type WatchEvent } from '@treekeeper/client';
import { eventRecorder, take, told } from './case.ts';
import { refused } from './operations-cases.ts';
import { until } from './session-cases.ts';

/** Three servers, wherever they run; members are named by their place in `addresses`. */
export interface EnsembleWorld {
  /** `host:port` for clients. */
  readonly addresses: readonly string[];
  /** `super:password`, who may reconfigure. */
  readonly superUser: string;
  /** As `kill -9`. */
  kill(member: number): Promise<void>;
  /** Starts it again, if it is down; does not wait until it serves. */
  start(member: number): Promise<void>;
  untilServing(): Promise<void>;
  leader(): Promise<number>;
}

/** A thing that the client does with an ensemble. All members serve, before and afterwards. Fails by throwing. */
export interface EnsembleCase {
  readonly name: string;
  /** Wants servers that go on without a quorum: readonlymode.enabled, and local sessions. */
  readonly readOnly?: boolean;
  run(world: EnsembleWorld): Promise<void>;
}

/** Elections take their time. */
const PATIENT = { timeoutMs: 60_000 };
const SESSION = { sessionTimeoutMs: 40_000 };
const WRITES_EACH = 30;

/** A client that begins at this member, and goes on at the next. */
async function connectFirst(world: EnsembleWorld, member: number, root = ''): Promise<Client> {
  const { addresses } = world;
  const order = [...addresses.slice(member), ...addresses.slice(0, member)];
  return await connect(`${order.join()}${root}`, { ...SESSION, hostOrder: 'given' });
}

async function newRoot(world: EnsembleWorld): Promise<string> {
  await using admin = await connect(world.addresses.join(), SESSION);
  const { path } = await admin.create('/ensemble-', null, { ...PATIENT, mode: 'persistent-sequential' });
  return path;
}

/** Resolves when the client has been disconnected and is connected again, from this call on. */
async function comesBack(client: Client): Promise<void> {
  let wasDisconnected = false;
  for await (const state of client.states()) {
    wasDisconnected ||= state === 'disconnected';
    if (wasDisconnected && state === 'connected') {
      return;
    }
  }
  throw new Error('the client ended before it was connected again');
}

/** Kills the member, does something, and has it back. */
async function without(world: EnsembleWorld, member: number, meanwhile: () => Promise<void>): Promise<void> {
  await world.kill(member);
  try {
    await meanwhile();
  } finally {
    await world.start(member);
    await world.untilServing();
  }
}

async function sessionMoves(world: EnsembleWorld): Promise<void> {
  const root = await newRoot(world);
  const first = ((await world.leader()) + 1) % world.addresses.length; // a follower: nobody has to be elected
  await using client = await connectFirst(world, first, root);
  await using admin = await connectFirst(world, first + 1, root);
  await client.addAuth('digest', 'ann:secret');
  const mine = await client.create('/mine', null, { mode: 'ephemeral' });
  const { sessionId } = client;
  const { first: event, listener } = eventRecorder();
  await client.exists('/later', { watch: listener });
  await using watch = client.watch('/', { recursive: true });
  await watch.ready;
  const isBack = comesBack(client); // maybe before its first server is known to be gone
  await without(world, first, async () => {
    await isBack;
    assert.equal(client.sessionId, sessionId);
    const users = (await client.whoAmI()).map(({ user }) => user);
    assert.ok(users.includes('ann'), users.join());
    await admin.sync('/', PATIENT);
    assert.equal((await admin.exists('/mine'))?.ephemeralOwner, sessionId);
    await admin.create('/later');
    assert.deepEqual(told([await event]), ['created /later']);
    // The gap is told where the server's last zxid does not rule out that there was something.
    const seen = await take(watch, 1);
    assert.deepEqual(told(seen[0]?.type === 'gap' ? await take(watch, 1) : seen), ['created /later']);
    assert.equal((await client.exists('/mine'))?.czxid, mine.stat.czxid);
  });
}

/** Writes that say what they want go through, whoever dies; each is done once, and the watch misses none silently. */
async function membersDie(world: EnsembleWorld): Promise<void> {
  const root = await newRoot(world);
  await using client = await connectFirst(world, 0, root);
  await using observer = await connectFirst(world, 0, root);
  await client.create('/n', '0');
  const events: WatchEvent[] = [];
  const watch = observer.watch('/', { recursive: true });
  await watch.ready;
  const following = (async (): Promise<void> => {
    for await (const event of watch) {
      events.push(event);
    }
  })();
  const { sessionId } = client;
  let version = 0;
  const write = async (): Promise<void> => {
    const value = String(version + 1);
    ({ version } = await client.set('/n', value, { version, idempotent: true, ...PATIENT }));
    assert.equal(String(version), value);
  };
  const victims = [await world.leader(), 0, 1, 2];
  for (const victim of victims) {
    let isBack = false;
    const outage = without(world, victim, async () => undefined).finally(() => {
      isBack = true;
    });
    for (let i = 0; i < WRITES_EACH || !isBack; i++) {
      await write();
    }
    await outage;
  }
  assert.equal(client.sessionId, sessionId);
  await observer.sync('/', PATIENT);
  const { value, stat } = await observer.get('/n', { codec: utf8 });
  assert.deepEqual([value, stat.version], [String(version), version]);
  await watch.close();
  await following;
  const changes = events.filter(({ type }) => type === 'data-changed').length;
  assert.ok(changes <= version, `${changes} changes were told, ${version} were made`);
  assert.ok(changes === version || events.some(({ type }) => type === 'gap'), `${changes} of ${version} were told`);
}

async function noQuorum(world: EnsembleWorld): Promise<void> {
  const root = await newRoot(world);
  await using client = await connectFirst(world, 0, root);
  await client.create('/n');
  await without(world, 1, () =>
    without(world, 2, async () => {
      await until(client, 'disconnected');
      const error = await client.set('/n', 'x', { timeoutMs: 1000, retry: false }).catch((reason: unknown) => reason);
      assert.ok(isTreekeeperError(error, 'TIMEOUT') || isTreekeeperError(error, 'CONNECTION_LOSS'), String(error));
    }),
  );
  await until(client, 'connected');
  await client.set('/n', 'y', { idempotent: true, ...PATIENT });
}

async function serversChange(world: EnsembleWorld): Promise<void> {
  const root = await newRoot(world);
  const [first, second, third] = world.addresses as [string, string, string];
  await using client = await connect(`${first}${root}`, SESSION);
  await client.create('/n');
  const { sessionId } = client;
  const states = client.states();
  await states.next();
  const set = (value: string): Promise<{ readonly version: number }> => client.set('/n', value, { retry: false });
  const writes = Array.from({ length: 100 }, () => set('before'));
  client.updateServers(`${second},${third}`);
  writes.push(...Array.from({ length: 100 }, () => set('after')));
  const versions = (await Promise.all(writes)).map(({ version }) => version);
  assert.deepEqual(
    versions,
    Array.from(versions, (_, i) => i + 1),
  );
  assert.deepEqual([(await states.next()).value, (await states.next()).value], ['disconnected', 'connected']);
  assert.equal(client.sessionId, sessionId);
}

async function membersChange(world: EnsembleWorld): Promise<void> {
  const leaving = ((await world.leader()) + 1) % world.addresses.length;
  // In the given order nobody moves for the balance: what moves it is that its server leaves.
  const options = { ...SESSION, followConfig: true, hostOrder: 'given' } as const;
  await using client = await connect(world.addresses[leaving] as string, options);
  await using admin = await connectFirst(world, leaving + 1);
  await admin.addAuth('digest', world.superUser);
  const before = await admin.getConfig();
  assert.deepEqual([...before.clientAddresses].sort(), [...world.addresses].sort());
  const states = client.states();
  await states.next();
  const { text } = await admin.reconfig({ leaving: [leaving + 1], ...PATIENT });
  assert.ok(!text.includes(`server.${leaving + 1}=`), text);
  assert.deepEqual([(await states.next()).value, (await states.next()).value], ['disconnected', 'connected']);
  await client.sync('/', PATIENT);
  assert.equal((await client.getConfig()).text, text);
  const line = before.text.split('\n').find((each) => each.startsWith(`server.${leaving + 1}=`)) as string;
  await admin.reconfig({ joining: [line], ...PATIENT });
  await world.untilServing();
}

async function readOnlyToReadWrite(world: EnsembleWorld): Promise<void> {
  const root = await newRoot(world);
  await without(world, 1, () =>
    without(world, 2, async () => {
      const options = { ...SESSION, readOnly: true, connectTimeoutMs: 60_000 };
      let client = await connect(`${world.addresses.join()}${root}`, options);
      while (client.state === 'connected') {
        await client.close(); // the one that is left has not noticed yet, and its local sessions need nobody
        client = await connect(`${world.addresses.join()}${root}`, options);
      }
      try {
        assert.equal(client.state, 'connected-read-only');
        assert.deepEqual(await client.children('/'), []);
        await refused(client.create('/a', null, { retry: false }), 'NOT_READ_ONLY');
        await world.start(1);
        await until(client, 'connected');
        await client.create('/a', null, { idempotent: true, ...PATIENT });
        assert.deepEqual(await client.children('/'), ['a']);
      } finally {
        await client.close();
      }
    }),
  );
}

export const ensembleCases: readonly EnsembleCase[] = [
  { name: 'a session moves on with all it has when its server is killed', run: sessionMoves },
  { name: 'members are killed in turn, the leader first: every write is done once', run: membersDie },
  { name: 'without a quorum calls end by their deadline, and the session outlives it', run: noQuorum },
  { name: 'updateServers: the session moves, and no call fails', run: serversChange },
  // Needs reconfigEnabled.
  { name: 'followConfig: who leaves the ensemble is left by its clients', run: membersChange },
  { name: 'from a read-only server to a read-write one', readOnly: true, run: readOnlyToReadWrite },
];
