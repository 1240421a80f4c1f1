/** ACLs and authentication over the wire (client-protocol.md §8). */
import { type ACL, type Infer, OpCode, type RequestAcl, SetSaslResponse } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import type { SaslConversation } from '../../src/auth/credentials.ts';
import {
  addWatch,
  auth,
  check,
  checkWatches,
  closeSession,
  create,
  create2,
  createContainer,
  createTTL,
  exists,
  getACL,
  getAllChildrenNumber,
  getChildren,
  getChildren2,
  getData,
  getEphemerals,
  multi,
  ping,
  type Request,
  raw,
  remove,
  removeWatches,
  setACL,
  setData,
  setWatches,
  sync,
  whoAmI,
} from './requests.ts';
import { bytesOf, digestAcl, type TestClient, TestServer, worldAcl } from './support.ts';

const SUPER = { superDigest: 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=' };
const U_P = 'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=';
const [READ, WRITE, CREATE, DELETE, ADMIN] = [1, 2, 4, 8, 16];

function entry(scheme: string | null, id: string, perms = 31): RequestAcl {
  return { perms, id: { scheme, id } };
}

function aclOf(client: TestClient, path: string): ACL[] {
  return client.get(getACL(path)).acl;
}

describe('what each operation needs (§8.1)', () => {
  const rows: [string, Request, number][] = [
    ['getData', getData('/n'), READ],
    ['getChildren', getChildren('/n'), READ],
    ['getChildren2', getChildren2('/n'), READ],
    ['getAllChildrenNumber', getAllChildrenNumber('/n'), READ],
    ['exists', exists('/n'), READ],
    ['setData', setData('/n', 'x'), WRITE],
    ['create', create('/n/x'), CREATE],
    ['create2', create2('/n/x'), CREATE],
    ['createContainer', createContainer('/n/x'), CREATE],
    ['createTTL', createTTL('/n/x', 5n), CREATE],
    ['delete', remove('/n/child'), DELETE],
    ['setACL', setACL('/n', [worldAcl(31)]), ADMIN],
    ['getACL', getACL('/n'), READ | ADMIN],
  ];

  test.each(rows)('%s', (_, request, needed) => {
    for (const bit of [READ, WRITE, CREATE, DELETE, ADMIN]) {
      const client = new TestServer().client();
      client.get(create('/n'));
      client.get(create('/n/child'));
      client.get(setACL('/n', [worldAcl(bit)]));
      expect(client.err(request)).toBe((bit & needed) !== 0 ? 0 : -102);
    }
  });

  test('check, in a multi, needs READ', () => {
    const client = new TestServer().client();
    client.get(create('/n', { acl: [worldAcl(31 & ~READ)] }));
    expect(client.get(multi(check('/n')))).toEqual([{ type: -1, err: -102 }]);
  });

  test.each<[string, Request]>([
    ['sync', sync('/n')],
    ['ping', ping()],
    ['addWatch', addWatch('/n', 0)],
    ['setWatches', setWatches(0, { data: ['/n'] })],
    ['getEphemerals', getEphemerals('/n')],
    ['whoAmI', whoAmI()],
    ['closeSession', closeSession()],
  ])('%s needs none', (_, request) => {
    const client = new TestServer().client();
    client.get(create('/n', { acl: [digestAcl('nobody:x')] }));
    expect(client.err(request)).toBe(0);
  });

  test('checkWatches and removeWatches need none', () => {
    const client = new TestServer().client();
    client.get(create('/n', { acl: [digestAcl('nobody:x')] }));
    client.get(addWatch('/n', 0));
    expect(client.err(checkWatches('/n', 4))).toBe(0);
    expect(client.err(removeWatches('/n', 4))).toBe(0);
  });

  test.each([0, 64, -1, 2 ** 31 - 1])('other bits are stored untouched: %i', (perms) => {
    const client = new TestServer().client();
    client.get(create('/n', { acl: [worldAcl(31), digestAcl('a:b', perms)] }));
    expect(aclOf(client, '/n')).toEqual([worldAcl(31), digestAcl('a:b', perms)]);
  });

  test('skipACL: no check at all', () => {
    const client = new TestServer({ auth: { skipAcl: true } }).client();
    client.get(create('/n', { acl: [digestAcl('nobody:x')] }));
    expect(client.err(setData('/n', 'x'))).toBe(0);
  });
});

describe('identities', () => {
  test('digest: whoever knows the password', () => {
    const server = new TestServer();
    const [owner, other] = [server.client(), server.client()];
    owner.get(auth('digest', 'u:p'));
    owner.get(create('/n', { acl: [digestAcl(U_P)] }));
    expect(other.err(getData('/n'))).toBe(-102);
    expect(other.err(auth('digest', 'u:wrong'))).toBe(0); // never refused, matches nothing
    expect(other.err(getData('/n'))).toBe(-102);
    other.get(auth('digest', 'u:p'));
    expect(other.err(getData('/n'))).toBe(0);
  });

  test('ip: the peer’s address, by prefix', () => {
    const server = new TestServer();
    const [inside, outside] = [
      server.client({ remoteAddress: '10.1.2.3' }),
      server.client({ remoteAddress: '10.2.0.1' }),
    ];
    inside.get(create('/n', { acl: [entry('ip', '10.1.0.0/16')] }));
    expect(inside.err(getData('/n'))).toBe(0);
    expect(outside.err(getData('/n'))).toBe(-102);
  });

  test('super passes every check, and adds both identities', () => {
    const server = new TestServer({ auth: SUPER });
    const client = server.client();
    client.get(create('/n', { acl: [digestAcl('nobody:x')] }));
    client.get(auth('digest', 'super:test'));
    expect(client.err(setData('/n', 'x'))).toBe(0);
    expect(client.err(setData('/zookeeper/config', 'x'))).toBe(0);
    const { clientInfo } = client.get(whoAmI());
    expect(clientInfo).toContainEqual({ authScheme: 'super', user: '' });
    expect(clientInfo).toContainEqual({ authScheme: 'digest', user: 'super' });
    expect(clientInfo.length).toBe(3);
  });

  test('identities add up, each once; they are the connection’s, and gone with it', () => {
    const client = new TestServer().client();
    for (const text of ['a:1', 'b:2', 'a:1']) {
      client.get(auth('digest', text));
    }
    expect(client.get(whoAmI()).clientInfo.map(({ user }) => user)).toEqual(['127.0.0.1', 'a', 'b']);
    expect(client.resume().get(whoAmI()).clientInfo).toEqual([{ authScheme: 'ip', user: '127.0.0.1' }]);
  });

  test('an auth packet is accepted with zxid 0, no zxid taken, and no touch of the session', () => {
    const client = new TestServer().client({ timeoutMs: 4000 });
    expect(client.ask(auth('digest', 'u:p'), -4)).toMatchObject({ xid: -4, zxid: 0, err: 0 });
    expect(client.ask(auth('digest', 'u:p'), 9)).toMatchObject({ xid: 9, zxid: 0, err: 0 });
    expect(client.server.lastZxid).toBe(1);
    for (let i = 0; i < 6; i++) {
      client.server.advance(1000);
      if (!client.closed) {
        client.send(auth('digest', 'u:p'), -4);
      }
    }
    client.server.advance(1);
    expect(client.closed).toBe(true);
  });

  test.each<[string | null, string | null]>([
    ['nosuch', 'x'],
    ['world', 'anyone'],
    ['auth', 'x'],
    ['sasl', 'x'],
    ['super', 'super:test'],
    ['x509', 'x'],
    ['digest', null],
    [null, 'x'],
  ])('trap 25: auth %s:%s is refused with -115 and a close; the session can be resumed', (scheme, text) => {
    const client = new TestServer({ auth: SUPER }).client();
    expect(client.ask(auth(scheme, text), -4)).toMatchObject({ xid: -4, zxid: 0, err: -115 });
    expect(client.closed).toBe(true);
    expect(client.resume().sessionId).toBe(client.sessionId);
  });

  test('ensemble: a wrong name closes the connection without a word; a right one is no identity', () => {
    const named = { auth: { ensembleNames: ['mine'] } };
    const good = new TestServer(named).client();
    expect(good.err(auth('ensemble', 'mine'))).toBe(0);
    expect(good.get(whoAmI()).clientInfo.length).toBe(1);
    const bad = new TestServer(named).client();
    bad.send(auth('ensemble', 'other'), -4);
    bad.server.settle();
    expect(bad.lines()).toEqual([]);
    expect(bad.closed).toBe(true);
  });

  test('an auth packet that does not decode: -5', () => {
    const client = new TestServer().client();
    expect(client.err(raw(OpCode.auth, Buffer.from('00', 'hex')))).toBe(-5);
  });

  test('a sasl token without SASL on the server: a null token, and nothing changes', () => {
    const client = new TestServer().client();
    const body = Buffer.from('00000000', 'hex');
    const sasl: Request<Infer<typeof SetSaslResponse>> = {
      ...raw(OpCode.sasl, body),
      decode: (reader) => SetSaslResponse.decode(reader),
    };
    expect(client.ask(sasl)).toMatchObject({ xid: 1, zxid: 0, err: 0, value: { token: null } });
    expect(client.err(exists('/'))).toBe(0);
  });
});

describe('the list is fixed up (§8.3)', () => {
  test.each<[string, RequestAcl[] | null]>([
    ['null', null],
    ['empty', []],
    ['a null scheme', [entry(null, 'anyone')]],
    ['world, but not anyone', [entry('world', 'everyone')]],
    ['an unknown scheme', [entry('nosuch', 'x')]],
    ['super', [entry('super', '')]],
    ['sasl, not configured', [entry('sasl', 'bob')]],
    ['x509, not configured', [entry('x509', 'CN=x')]],
    ['a bad address', [entry('ip', '1.2.3')]],
    ['a host name', [entry('ip', 'localhost')]],
    ['a good entry and a bad one', [worldAcl(31), entry('ip', '1.2.3.4/33')]],
  ])('%s: -114, for create and setACL', (_, acl) => {
    const client = new TestServer().client();
    expect(client.err(create('/n', { acl }))).toBe(-114);
    expect(client.err(setACL('/', acl))).toBe(-114);
    expect(client.get(multi(create('/n', { acl }))).map(({ err }) => err)).toEqual([-114]);
  });

  test('a null id: -5', () => {
    const client = new TestServer().client();
    const acl = '00000001 0000001f 00000005 776f726c64 ffffffff';
    const body = `00000002 2f6e 00000000 ${acl} 00000000`.replaceAll(' ', '');
    expect(client.err(raw(OpCode.create, Buffer.from(body, 'hex')))).toBe(-5);
  });

  test.each(['u:', 'a:b:c', 'nocolon'])('trap 30: digest id %j: -114', (id) => {
    expect(new TestServer().client().err(create('/n', { acl: [entry('digest', id)] }))).toBe(-114);
  });

  test('exact duplicates go, order stays, IPv6 is fine', () => {
    const client = new TestServer().client();
    const acl = [worldAcl(1), entry('ip', '::1/64', 3), worldAcl(1), worldAcl(31), entry('digest', ':x', 1)];
    client.get(create('/n', { acl }));
    expect(aclOf(client, '/n')).toEqual([acl[0], acl[1], acl[3], acl[4]]);
  });

  test('trap 29: auth with nothing but an address is -114, and super does not count either', () => {
    const client = new TestServer({ auth: SUPER }).client();
    expect(client.err(create('/n', { acl: [entry('auth', '')] }))).toBe(-114);
    client.get(auth('digest', 'super:test'));
    client.get(create('/n', { acl: [entry('auth', 'ignored', 5)] }));
    expect(aclOf(client, '/n')).toEqual([digestAcl(SUPER.superDigest, 5)]); // the digest identity, not the super one
  });

  test('auth becomes one entry per identity, in the place where it stood', () => {
    const client = new TestServer().client();
    client.get(auth('digest', 'u:p'));
    client.get(auth('digest', 'v:q'));
    client.get(create('/n', { acl: [worldAcl(1), entry('auth', '', 7)] }));
    const acl = aclOf(client, '/n');
    expect(acl.slice(0, 1)).toEqual([worldAcl(1)]);
    expect(acl.slice(1).map(({ perms, id }) => [perms, id.scheme, id.id.split(':')[0]])).toEqual([
      [7, 'digest', 'u'],
      [7, 'digest', 'v'],
    ]);
  });

  test('trap 31: getACL without ADMIN cuts digest ids to user:x', () => {
    const server = new TestServer();
    const [owner, reader] = [server.client(), server.client()];
    owner.get(auth('digest', 'u:p'));
    owner.get(create('/n', { acl: [digestAcl(U_P, 31), worldAcl(1)] }));
    expect(aclOf(owner, '/n')).toEqual([digestAcl(U_P, 31), worldAcl(1)]);
    expect(aclOf(reader, '/n')).toEqual([digestAcl('u:x', 31), worldAcl(1)]);
  });
});

describe('sasl (§8.6)', () => {
  /** "step" goes on, "bob" succeeds, anything else fails. */
  function conversation(): SaslConversation {
    return {
      receive(token) {
        const name = Buffer.from(token ?? []).toString();
        if (name === 'step') {
          return { err: 0, token: Buffer.from('challenge'), identities: [], close: false, failure: null };
        }
        if (name === 'bob') {
          const identities = [{ scheme: 'sasl', id: 'bob' }];
          return { err: 0, token: Buffer.from('done'), identities, close: false, failure: null };
        }
        return { err: -115, token: null, identities: [], close: true, failure: 'wrong' };
      },
    };
  }

  function token(text: string): Request<{ token: Uint8Array | null }> {
    const body = bytesOf((writer) => writer.buffer(Buffer.from(text)));
    return { ...raw(OpCode.sasl, body), decode: (reader) => SetSaslResponse.decode(reader) };
  }

  const withSasl = { sasl: conversation, auth: { authProviders: new Map([['1', 'sasl']]) } };

  test('an exchange adds the identity that it proves, for the requests behind it', () => {
    const client = new TestServer(withSasl).client();
    expect(client.err(create('/n', { acl: [entry('sasl', 'bob')] }))).toBe(0);
    expect(client.err(getData('/n'))).toBe(-102);
    const challenge = client.ask(token('step'));
    expect(challenge).toMatchObject({ xid: 3, zxid: 0, err: 0 });
    expect(Buffer.from(challenge.value?.token ?? []).toString()).toBe('challenge');
    expect(client.err(getData('/n'))).toBe(-102);
    expect(client.err(token('bob'))).toBe(0);
    expect(client.err(getData('/n'))).toBe(0);
    expect(client.get(whoAmI()).clientInfo).toContainEqual({ authScheme: 'sasl', user: 'bob' });
    client.get(create('/mine', { acl: [entry('auth', '')] }));
    expect(aclOf(client, '/mine')).toEqual([entry('sasl', 'bob')]);
  });

  test('a failure: -115 with a null token behind the header, then the close; the session can be resumed', () => {
    const server = new TestServer(withSasl);
    const client = server.client();
    client.send(token('wrong'));
    server.settle();
    const [reply] = client.wire.receive();
    expect(reply).toMatchObject({ xid: 1, zxid: 0n, err: -115, body: Buffer.from('ffffffff', 'hex') });
    expect(client.closed).toBe(true);
    expect(client.resume().sessionId).toBe(client.sessionId);
  });

  test('each connection has an exchange of its own', () => {
    const server = new TestServer(withSasl);
    const [one, other] = [server.client(), server.client()];
    one.get(token('bob'));
    expect(other.get(whoAmI()).clientInfo.length).toBe(1);
  });
});

describe('enforced authentication (§8.7)', () => {
  const enforced = { auth: { enforceAuth: true, enforcedSchemes: ['digest'] } };

  test.each<[string, Request, number]>([
    ['exists', exists('/'), 1],
    ['create', create('/a'), 1],
    ['closeSession', closeSession(), 1],
    ['an unknown opcode', raw(77), 1],
    ['ping, under its own xid', { ...ping(), replyXid: 1 }, 1],
  ])('trap 48: %s before authentication: -124 with zxid 0, then the end of the connection', (_, request) => {
    const client = new TestServer(enforced).client();
    expect(client.ask(request)).toMatchObject({ xid: 1, zxid: 0, err: -124 });
    expect(client.closed).toBe(true);
    expect(client.server.lastZxid).toBe(1);
    const again = client.resume();
    expect(again.sessionId).toBe(client.sessionId); // the session is not closed
    again.get(auth('digest', 'u:p'));
    expect(again.err(exists('/'))).toBe(0);
  });

  test('a ping keeps xid -2 when it came with it', () => {
    const client = new TestServer(enforced).client();
    expect(client.ask(ping(), -2)).toMatchObject({ xid: -2, err: -124 });
  });
});

describe('eager ACL check (§8.8)', () => {
  const eager = { auth: { eagerAclCheck: true } };

  test.each<[string, Request, number]>([
    ['create under a closed parent', create('/closed/x'), -102],
    ['create2 under a closed parent', create2('/closed/x'), -102],
    ['create with a bad ACL', create('/x', { acl: [] }), -114],
    ['delete', remove('/closed/child'), -102],
    ['setData', setData('/closed', 'x'), -102],
    ['setACL', setACL('/closed', [worldAcl(31)]), -102],
    ['setACL with a bad list', setACL('/', [entry('nosuch', 'x')]), -114],
  ])('%s is refused with zxid 0, and takes none', (_, request, err) => {
    const prepare = (server: TestServer) => {
      const client = server.client();
      client.get(create('/closed'));
      client.get(create('/closed/child'));
      client.get(setACL('/closed', [digestAcl('nobody:x')]));
      return client;
    };
    const strict = prepare(new TestServer(eager));
    const { lastZxid } = strict.server;
    expect(strict.ask(request)).toMatchObject({ zxid: 0, err });
    expect(strict.server.lastZxid).toBe(lastZxid);
    expect(strict.closed).toBe(false);
    expect(prepare(new TestServer()).ask(request)).toMatchObject({ zxid: lastZxid + 1, err });
  });

  test('other faults are left to the order of writes', () => {
    const client = new TestServer(eager).client();
    expect(client.ask(setData('/nosuch', 'x'))).toMatchObject({ zxid: 2, err: -101 });
    expect(client.ask(create('/nosuch/x'))).toMatchObject({ zxid: 3, err: -101 });
    expect(client.ask(create('nopath'))).toMatchObject({ zxid: 4, err: -8 });
    expect(client.ask(create('/a'))).toMatchObject({ zxid: 5, err: 0 });
  });

  test('a node that is still on its way is judged in the order of writes', () => {
    const client = new TestServer(eager).client();
    expect(client.pipeline(create('/a', { acl: [digestAcl('nobody:x')] }), create('/a/b'), setData('/a', ''))).toEqual([
      [1, 2, 0],
      [2, 3, -102],
      [3, 4, -102],
    ]);
  });
});
