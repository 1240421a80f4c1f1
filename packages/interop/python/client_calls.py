"""Every call of kazoo's client, with its errors."""
from kazoo import exceptions as errors
from kazoo.client import KazooState
from kazoo.protocol.states import KeeperState
from kazoo.security import (ACL, CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, Id, make_acl, make_digest_acl,
                            make_digest_acl_credential)

from check import client, equal, eventually, raises, run

zk = client()


def state():
    equal('state', zk.state, KazooState.CONNECTED)
    equal('client state', zk.client_state, KeeperState.CONNECTED)
    session, password = zk.client_id
    equal('password length', len(password), 16)
    assert session != 0


def create_and_read():
    equal('create', zk.create('/c', b'one'), '/c')
    data, stat = zk.get('/c')
    equal('data', data, b'one')
    equal('stat', (stat.version, stat.cversion, stat.aversion, stat.dataLength, stat.numChildren, stat.owner_session_id),
          (0, 0, 0, 3, 0, None))
    equal('czxid', (stat.czxid, stat.pzxid, stat.ctime), (stat.mzxid, stat.czxid, stat.mtime))
    assert abs(stat.created - stat.last_modified) < 1
    equal('empty', zk.get(zk.create('/c/empty'))[0], b'')
    path, stat = zk.create('/c/with-stat', b'x', include_data=True)
    equal('create2', (path, stat.version, stat.dataLength), ('/c/with-stat', 0, 1))
    equal('unicode', zk.create('/c/\u00e9\u4e2d'), '/c/\u00e9\u4e2d')
    equal('makepath', zk.create('/deep/er/est', b'd', makepath=True), '/deep/er/est')
    zk.ensure_path('/deep/er/est/of/all')
    zk.ensure_path('/deep/er/est/of/all')
    raises(errors.NodeExistsError, zk.create, '/c')
    raises(errors.NoNodeError, zk.create, '/none/child')
    raises(errors.NoNodeError, zk.get, '/none')
    large = b'L' * 1000000
    zk.create('/c/large', large)
    equal('large', zk.get('/c/large')[0], large)


def modes():
    equal('sequence', zk.create('/c/s-', sequence=True), '/c/s-0000000004')
    equal('sequence', zk.create('/c/other-', sequence=True), '/c/other-0000000005')
    zk.create('/c/e', ephemeral=True)
    equal('owner', zk.exists('/c/e').owner_session_id, zk.client_id[0])
    raises(errors.NoChildrenForEphemeralsError, zk.create, '/c/e/child')
    equal('ephemeral sequence', zk.create('/c/es-', ephemeral=True, sequence=True), '/c/es-0000000007')


def set_and_delete():
    stat = zk.set('/c', b'two')
    equal('version', stat.version, 1)
    zk.set('/c', b'three', version=1)
    raises(errors.BadVersionError, zk.set, '/c', b'four', version=1)
    raises(errors.NoNodeError, zk.set, '/none', b'')
    raises(errors.NotEmptyError, zk.delete, '/c')
    raises(errors.NoNodeError, zk.delete, '/none')
    zk.create('/c/short')
    raises(errors.BadVersionError, zk.delete, '/c/short', version=5)
    zk.delete('/c/short', version=0)
    equal('exists', zk.exists('/c/short'), None)
    zk.delete('/deep', recursive=True)
    equal('exists', zk.exists('/deep'), None)


def children():
    names = zk.get_children('/c')
    equal('children', sorted(names)[:3], ['e', 'empty', 'es-0000000007'])
    names, stat = zk.get_children('/c', include_data=True)
    equal('numChildren', stat.numChildren, len(names))
    raises(errors.NoNodeError, zk.get_children, '/none')


def acls():
    list_, stat = zk.get_acls('/c')
    equal('open', list_, OPEN_ACL_UNSAFE)
    equal('aversion', zk.set_acls('/c', [make_acl('world', 'anyone', all=True)]).aversion, 1)
    raises(errors.BadVersionError, zk.set_acls, '/c', OPEN_ACL_UNSAFE, version=0)
    raises(errors.InvalidACLError, zk.create, '/c/bad', acl=[ACL(31, Id('nosuch', 'x'))])
    raises(errors.InvalidACLError, zk.create, '/c/creator', acl=CREATOR_ALL_ACL)
    zk.create('/c/readonly', b'r', acl=READ_ACL_UNSAFE)
    raises(errors.NoAuthError, zk.set, '/c/readonly', b'x')
    other = client()
    other.add_auth('digest', 'user:secret')
    other.create('/c/mine', b'm', acl=CREATOR_ALL_ACL)
    equal('creator', other.get_acls('/c/mine')[0], [make_digest_acl('user', 'secret', all=True)])
    raises(errors.NoAuthError, zk.get, '/c/mine')
    zk.add_auth('digest', 'user:wrong')
    raises(errors.NoAuthError, zk.get, '/c/mine')
    zk.add_auth('digest', 'user:secret')
    equal('with auth', zk.get('/c/mine')[0], b'm')
    equal('credential', make_digest_acl_credential('super', 'test'), 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=')
    given = client(auth_data=[('digest', 'user:secret')], default_acl=[make_digest_acl('user', 'secret', all=True)])
    given.create('/c/by-default')
    equal('default acl', given.get_acls('/c/by-default')[0][0].id.scheme, 'digest')
    refused = client()
    raises(errors.AuthFailedError, refused.add_auth, 'nosuch', 'x')
    for one in (other, given, refused):
        one.stop()


def transactions():
    transaction = zk.transaction()
    transaction.check('/c', version=2)
    transaction.create('/c/t1', b'1')
    transaction.create('/c/t1/below', b'2')
    transaction.set_data('/c/t1', b'changed', version=0)
    transaction.delete('/c/t1/below')
    transaction.create('/c/t-', sequence=True)
    results = transaction.commit()
    equal('results', [type(r).__name__ if not isinstance(r, (str, bool)) else r for r in results],
          [True, '/c/t1', '/c/t1/below', 'ZnodeStat', True, results[5]])
    equal('set in the transaction', zk.get('/c/t1')[0], b'changed')
    transaction = zk.transaction()
    transaction.create('/c/t2')
    transaction.delete('/none')
    transaction.create('/c/t3')
    results = transaction.commit()
    equal('failed', [type(r) for r in results],
          [errors.RolledBackError, errors.NoNodeError, errors.RuntimeInconsistency])
    equal('nothing happened', zk.exists('/c/t2'), None)
    with zk.transaction() as within:
        within.create('/c/within')
    assert zk.exists('/c/within')


def asynchronous():
    handles = [zk.create_async(f'/c/a{i}', str(i).encode()) for i in range(200)]
    equal('paths', [h.get(timeout=10) for h in handles], [f'/c/a{i}' for i in range(200)])
    reads = [zk.get_async(f'/c/a{i}') for i in range(200)]
    equal('order', [int(h.get(timeout=10)[0]) for h in reads], list(range(200)))
    missing = zk.get_async('/none')
    raises(errors.NoNodeError, missing.get, timeout=10)
    equal('sync', zk.sync('/c'), '/c')
    stat = zk.exists_async('/c').get(timeout=10)
    assert stat.numChildren >= 200


def chroot():
    zk.ensure_path('/base/of')
    below = client()
    below.chroot = '/base/of'
    below.create('/this', b'c')
    equal('chroot', zk.get('/base/of/this')[0], b'c')
    equal('children', below.get_children('/'), ['this'])
    below.stop()


def words():
    assert zk.command(b'ruok') == 'imok'
    srvr = zk.command(b'srvr')
    assert 'Mode: ' in srvr and 'Node count: ' in srvr, srvr
    version = zk.server_version()
    assert version >= (3, 8, 0), version
    assert 'zk_znode_count' in zk.command(b'mntr')


def sessions():
    one = client()
    one.create('/c/of-one', ephemeral=True)
    one.stop()
    eventually('the ephemeral goes with its session', lambda: zk.exists('/c/of-one') is None)
    again = client()
    again.create('/c/of-again', ephemeral=True)
    again.restart()
    eventually('a restarted client has a new session', lambda: again.connected)
    equal('and none of the old ephemerals', again.exists('/c/of-again'), None)
    again.stop()
    again.close()


run(state, create_and_read, modes, set_and_delete, children, acls, transactions, asynchronous, chroot, words, sessions)
zk.delete('/c', recursive=True)
zk.stop()
