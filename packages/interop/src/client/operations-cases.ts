/** Every operation of the client, as a program sees it. */
import assert from 'node:assert/strict';
import {
  CREATOR_ALL_ACL,
  connect,
  digestId,
  isTreekeeperError,
  json,
  nullableBytes,
  OPEN_ACL,
  Perms,
  READ_ACL,
  TreekeeperError,
  utf8,
} from '@treekeeper/client';
import type { BehaviourCase } from './case.ts';

const digits = (n: number): string => String(n).padStart(10, '0');

/** Rejected with this code; the error is the result. */
export async function refused(promise: Promise<unknown>, code: string): Promise<TreekeeperError> {
  const error = await promise.then(
    () => new Error('it was not refused'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof TreekeeperError, `expected ${code}, got ${String(error)}`);
  assert.equal(error.code, code);
  return error;
}

export const operationCases: readonly BehaviourCase[] = [
  {
    name: 'orCreate makes what set does not find, with its parents; ifExists lets delete find nothing',
    async run({ client }) {
      assert.equal((await client.set('/a/b', 'first', { orCreate: true })).version, 0);
      assert.equal((await client.set('/a/b', 'second', { orCreate: true, idempotent: true })).version, 1);
      assert.equal((await client.get('/a/b', { codec: utf8 })).value, 'second');
      const both = [client.set('/c', '1', { orCreate: true }), client.set('/c', '2', { orCreate: true })];
      assert.deepEqual((await Promise.all(both)).map(({ version }) => version).sort(), [0, 1]);
      await refused(client.set('/a/b', '', { orCreate: true, version: 1 }), 'INVALID_OPTION');
      await client.delete('/a/b', { ifExists: true });
      await client.delete('/a/b', { ifExists: true });
      await refused(client.delete('/a/b'), 'NO_NODE');
      await client.create('/a/kept');
      await refused(client.delete('/a', { ifExists: true }), 'NOT_EMPTY');
    },
  },
  {
    name: 'the ACL of the options is that of every new node, of missing parents, and in transactions',
    async run({ server, root }) {
      const readOnly = READ_ACL.map((entry) => ({ ...entry, perms: Perms.read | Perms.create }));
      await using strict = await connect(`${server}${root}`, { acl: readOnly });
      await strict.create('/p/q', null, { createParents: true });
      await strict.transaction().create('/t').create('/open', null, { acl: OPEN_ACL }).commit();
      const acls = await Promise.all(['/p', '/p/q', '/t', '/open'].map((path) => strict.getAcl(path)));
      assert.deepEqual(
        acls.map(({ acl }) => acl[0]?.perms),
        [...Array(3).fill(Perms.read | Perms.create), Perms.all],
      );
      const byPath = (path: string): typeof OPEN_ACL => (path.endsWith('/public') ? OPEN_ACL : READ_ACL);
      await using choosy = await connect(`${server}${root}`, { acl: byPath });
      await choosy.create('/public');
      await choosy.create('/private');
      assert.equal((await choosy.getAcl('/public')).acl[0]?.perms, Perms.all);
      assert.equal((await choosy.getAcl('/private')).acl[0]?.perms, Perms.read);
    },
  },
  {
    name: 'create, get, set, exists, delete',
    async run({ client }) {
      const created = await client.create('/a', 'one');
      assert.equal(created.path, '/a');
      const { value, stat } = await client.get('/a', { codec: utf8 });
      assert.equal(value, 'one');
      assert.deepEqual(stat, created.stat);
      assert.equal((await client.set('/a', 'two', { version: 0 })).version, 1);
      assert.equal((await client.exists('/a'))?.dataLength, 3);
      await client.delete('/a', { version: 1 });
      assert.equal(await client.exists('/a'), null);
    },
  },
  {
    name: 'refusals have their code, path, operation and advice',
    async run({ client }) {
      const missing = await refused(client.get('/missing'), 'NO_NODE');
      assert.equal(missing.path, '/missing');
      assert.equal(missing.operation, 'get');
      assert.equal(missing.retry, 'pointless');
      await client.create('/a/b', null, { createParents: true });
      await refused(client.create('/a'), 'NODE_EXISTS');
      await refused(client.create('/x/y'), 'NO_NODE');
      await refused(client.delete('/a'), 'NOT_EMPTY');
      await refused(client.set('/a', '', { version: 7 }), 'BAD_VERSION');
      await refused(client.delete('/a/b', { version: 7 }), 'BAD_VERSION');
      await refused(client.setAcl('/a', []), 'INVALID_ACL');
      await client.create('/e', null, { mode: 'ephemeral' });
      await refused(client.create('/e/f'), 'NO_CHILDREN_FOR_EPHEMERALS');
      await refused(client.get('relative'), 'INVALID_PATH');
      await refused(client.create('/a//b'), 'INVALID_PATH');
      await refused(client.delete('/'), 'BAD_ARGUMENTS');
    },
  },
  {
    name: 'values: bytes, null, empty, text, JSON',
    async run({ client }) {
      await client.create('/null', null);
      assert.equal((await client.get('/null', { codec: nullableBytes })).value, null);
      assert.equal((await client.get('/null')).value.length, 0);
      await client.create('/empty');
      assert.deepEqual((await client.get('/empty', { codec: nullableBytes })).value, new Uint8Array(0));
      const all = Uint8Array.from({ length: 256 }, (_, i) => i);
      await client.create('/bytes', all);
      assert.deepEqual((await client.get('/bytes')).value, all);
      await client.create('/json', { list: [1, 'ä'] }, { codec: json() });
      assert.deepEqual((await client.get('/json', { codec: json() })).value, { list: [1, 'ä'] });
      const error = await refused(client.get('/bytes', { codec: utf8 }), 'INVALID_VALUE');
      assert.equal(error.path, '/bytes');
    },
  },
  {
    name: 'create modes',
    async run({ client }) {
      await client.create('/q');
      const paths = [];
      for (const mode of ['persistent-sequential', 'ephemeral-sequential'] as const) {
        paths.push((await client.create('/q/n-', null, { mode })).path);
      }
      paths.push((await client.create('/q/', null, { mode: 'persistent-sequential' })).path);
      assert.deepEqual(paths, [`/q/n-${digits(0)}`, `/q/n-${digits(1)}`, `/q/${digits(2)}`]);
      const mine = await client.create('/mine', null, { mode: 'ephemeral' });
      assert.equal(mine.stat.ephemeralOwner, client.sessionId);
      await client.create('/box', null, { mode: 'container' });
      await client.create('/box/in');
      await client.create('/short', null, { mode: 'persistent-ttl', ttlMs: 60_000 });
      const numbered = await client.create('/short-', null, { mode: 'persistent-sequential-ttl', ttlMs: 60_000 });
      assert.match(numbered.path, /^\/short-\d{10}$/);
      await refused(client.create('/t', null, { mode: 'persistent-ttl' }), 'INVALID_OPTION');
      await refused(client.create('/t', null, { ttlMs: 5 }), 'INVALID_OPTION');
    },
  },
  {
    name: 'createParents, protect, idempotent, deleteRecursive',
    async run({ client }) {
      await client.create('/a/b/c', 'x', { createParents: true });
      await client.create('/a/d/e', 'x', { createParents: 'container' });
      const guarded = await client.create('/a/n-', null, { mode: 'ephemeral-sequential', protect: true });
      assert.match(guarded.path, /^\/a\/_c_[0-9a-f-]{36}-n-\d{10}$/);
      await client.set('/a', 'y', { idempotent: true, version: 0 });
      await refused(client.set('/a', 'y', { idempotent: true, version: 0 }), 'BAD_VERSION');
      await client.create('/a/f', 'y', { idempotent: true });
      await refused(client.create('/a/f', 'y', { idempotent: true }), 'NODE_EXISTS');
      await client.delete('/a/f', { idempotent: true });
      await refused(client.delete('/a/f', { idempotent: true }), 'NO_NODE');
      assert.equal(await client.childrenCountAll('/a'), 5);
      assert.equal(await client.deleteRecursive('/a'), 6);
      assert.equal(await client.deleteRecursive('/a'), 0);
    },
  },
  {
    name: 'children, with stat, and all of them',
    async run({ client }) {
      await client.create('/p');
      const names = ['one', 'two', 'drei', 'ein langer Name'];
      await Promise.all(names.map((name) => client.create(`/p/${name}`)));
      assert.deepEqual((await client.children('/p')).sort(), [...names].sort());
      const { children, stat } = await client.childrenWithStat('/p');
      assert.equal(children.length, stat.numChildren);
      assert.equal(await client.childrenCountAll('/p'), names.length);
      assert.deepEqual(await client.children('/p/one'), []);
      await refused(client.children('/nobody'), 'NO_NODE');
    },
  },
  {
    name: 'pipelined calls are done in their order',
    async run({ client }) {
      await client.create('/n', '0');
      const calls = Array.from({ length: 500 }, (_, i) => client.set('/n', String(i + 1)));
      const read = client.get('/n', { codec: utf8 });
      const stats = await Promise.all(calls);
      assert.deepEqual(
        stats.map(({ version }) => version),
        stats.map((_, i) => i + 1),
      );
      assert.equal((await read).value, '500');
    },
  },
  {
    name: 'transactions: typed results, all or nothing, the failing operation by name',
    async run({ client }) {
      const [made, numbered, set, gone, checked] = await client
        .transaction()
        .create('/t', 'one')
        .create('/t/n-', null, { mode: 'persistent-sequential' })
        .set('/t', { two: 2 }, { codec: json<object>(), version: 0 })
        .delete(`/t/n-${digits(0)}`)
        .check('/t', 1)
        .commit();
      assert.equal(made.path, '/t');
      assert.equal(numbered.path, `/t/n-${digits(0)}`);
      assert.equal(set.stat.version, 1);
      assert.equal(gone.kind, 'delete');
      assert.equal(checked.kind, 'check');
      const error = await refused(
        client.transaction().set('/t', 'x').create('/u').check('/t', 9).delete('/t').commit(),
        'BAD_VERSION',
      );
      assert.equal(error.failedIndex, 2);
      assert.equal(error.path, '/t');
      assert.equal(await client.exists('/u'), null);
      assert.deepEqual(await client.transaction().commit(), []);
    },
  },
  {
    name: 'multiRead',
    async run({ client }) {
      await client.create('/m', 'data');
      await client.create('/m/c');
      const [data, names, missing] = await client.multiRead([{ get: '/m' }, { children: '/m' }, { get: '/nobody' }]);
      assert.ok('value' in data && data.value.toString() === Buffer.from('data').join());
      assert.ok('children' in names && names.children[0] === 'c');
      assert.ok('error' in missing && missing.error.code === 'NO_NODE' && missing.error.path === '/nobody');
    },
  },
  {
    name: 'ACLs and identities',
    async run({ client, server, root }) {
      await client.create('/open');
      assert.deepEqual((await client.getAcl('/open')).acl, OPEN_ACL);
      await client.addAuth('digest', 'ann:secret');
      assert.ok((await client.whoAmI()).some(({ authScheme, user }) => authScheme === 'digest' && user === 'ann'));
      await client.create('/anns', 'mine', { acl: CREATOR_ALL_ACL });
      const { acl } = await client.getAcl('/anns');
      assert.deepEqual(acl, [{ perms: Perms.all, id: { scheme: 'digest', id: digestId('ann', 'secret') } }]);
      await using stranger = await connect(`${server}${root}`);
      await refused(stranger.get('/anns'), 'NO_AUTH');
      assert.equal((await client.setAcl('/anns', READ_ACL, { version: 0 })).aversion, 1);
      assert.equal((await stranger.get('/anns', { codec: utf8 })).value, 'mine');
      await refused(stranger.set('/anns', 'not mine'), 'NO_AUTH');
      await using bob = await connect(`${server}${root}`, { auth: [{ scheme: 'digest', credentials: 'bob:b' }] });
      assert.ok((await bob.whoAmI()).some(({ user }) => user === 'bob'));
    },
  },
  {
    name: 'credentials of an unknown scheme end the session',
    async run({ server }) {
      await refused(connect(server, { auth: [{ scheme: 'nonsense', credentials: 'x' }] }), 'AUTH_FAILED');
      const client = await connect(server);
      await refused(client.addAuth('nonsense', 'x'), 'AUTH_FAILED');
      assert.equal(client.state, 'auth-failed');
      await refused(client.get('/'), 'AUTH_FAILED');
      await client.close();
      assert.equal(client.state, 'closed');
    },
  },
  {
    name: 'sync, ephemerals, getConfig',
    async run({ client }) {
      await client.sync();
      await client.sync('/anything');
      await client.create('/e1', null, { mode: 'ephemeral' });
      await client.create('/e2', null, { mode: 'ephemeral' });
      assert.deepEqual((await client.ephemerals()).sort(), ['/e1', '/e2']);
      assert.deepEqual(await client.ephemerals('/e2'), ['/e2']);
      assert.equal(typeof (await client.getConfig()).text, 'string');
      // Disabled, or not for everybody: as the servers are configured.
      const reconfiguring = client.reconfig({ leaving: [3] });
      const error = await reconfiguring.catch((reason: unknown) => reason);
      assert.ok(isTreekeeperError(error, 'RECONFIG_DISABLED') || isTreekeeperError(error, 'NO_AUTH'), String(error));
    },
  },
  {
    name: 'views: other roots over one session',
    async run({ client, root }) {
      await client.create('/tenants/blue', null, { createParents: true });
      const blue = client.at('/tenants/blue');
      assert.equal(blue.root, `${root}/tenants/blue`);
      const { path } = await blue.create('/n-', null, { mode: 'ephemeral-sequential' });
      assert.equal(path, `/n-${digits(0)}`);
      assert.deepEqual(await client.children('/tenants/blue'), [path.slice(1)]);
      assert.deepEqual(await blue.ephemerals(), [path]);
      assert.equal(blue.sessionId, client.sessionId);
      assert.equal((await blue.exists('/'))?.numChildren, 1);
      await blue.delete(path);
      const removal = await blue
        .transaction()
        .delete('/')
        .commit()
        .catch((reason: unknown) => reason);
      assert.ok(isTreekeeperError(removal, 'BAD_ARGUMENTS'), String(removal));
      await blue.close();
      assert.equal(client.state, 'connected');
      assert.equal(blue.at('/x').root, `${root}/tenants/blue/x`);
    },
  },
];
