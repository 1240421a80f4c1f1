import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AuditLog, auditLine, auditNodeType, auditUsers } from '../../src/admin/audit.ts';
import { SESSION } from './fake-view.ts';

const by = { sessionId: 0x1000017b8be0000n, user: 'bob,127.0.0.1', ip: '127.0.0.1' } as const;
const head = 'session=0x1000017b8be0000\tuser=bob,127.0.0.1\tip=127.0.0.1\t';

/** The lines that Apache ZooKeeper 3.8 wrote for the same operations. */
describe('lines', () => {
  test('create, with the type', () => {
    const event = {
      ...by,
      operation: 'create',
      znode: '/app/e0000000000',
      znodeType: auditNodeType(3),
      result: 'success',
    } as const;
    expect(auditLine(event)).toBe(
      `${head}operation=create\tznode=/app/e0000000000\tznode_type=ephemeral_sequential\tresult=success`,
    );
  });

  test('delete that failed', () => {
    const event = { ...by, operation: 'delete', znode: '/zz', result: 'failure' } as const;
    expect(auditLine(event)).toBe(`${head}operation=delete\tznode=/zz\tresult=failure`);
  });

  test('setAcl, entries one after the other', () => {
    const acl = [
      { perms: 31, id: { scheme: 'world', id: 'anyone' } },
      { perms: 1, id: { scheme: 'ip', id: '127.0.0.1' } },
    ];
    const event = { ...by, operation: 'setAcl', znode: '/app', acl, result: 'success' } as const;
    expect(auditLine(event)).toBe(
      `${head}operation=setAcl\tznode=/app\tacl=world:anyone:cdrwaip:127.0.0.1:r\tresult=success`,
    );
  });

  test('a failed multi has no path', () => {
    expect(auditLine({ ...by, operation: 'multiOperation', result: 'failure' })).toBe(
      `${head}operation=multiOperation\tresult=failure`,
    );
  });

  test('what the server does by itself', () => {
    const lines: string[] = [];
    const audit = new AuditLog((line) => lines.push(line), 'root');
    audit.serverStarted();
    audit.ephemeralDeleted(SESSION, '/app/e');
    audit.serverStopping();
    expect(lines).toEqual([
      'user=root\toperation=serverStart\tresult=success',
      'session=0x100001d08b8005d\tuser=root\toperation=ephemeralZNodeDeletionOnSessionCloseOrExpire\tznode=/app/e\tresult=success',
      'user=root\toperation=serverStop\tresult=invoked',
    ]);
  });
});

test('users are the ids, without the hashes of passwords', () => {
  const identities = [
    { scheme: 'ip', id: '127.0.0.1' },
    { scheme: 'digest', id: 'bob:0O1Vl7h0EJ5d5mcIJ4xUVg==' },
    { scheme: 'x509', id: 'CN=a,O=b' },
  ];
  expect(auditUsers(identities)).toBe('127.0.0.1,bob,CN=a,O=b');
});

test('who has no name is left out, as the identity is that makes a session super', () => {
  const superUser = { scheme: 'digest', id: 'super:0O1Vl7h0EJ5d5mcIJ4xUVg==' };
  const identities = [{ scheme: 'ip', id: '127.0.0.1' }, { scheme: 'super', id: '' }, superUser];
  expect(auditUsers(identities)).toBe('127.0.0.1,super');
});

test('node types by the flags of the request', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7, -1].map(auditNodeType)).toEqual([
    'persistent',
    'ephemeral',
    'persistent_sequential',
    'ephemeral_sequential',
    'container',
    'persistent_with_ttl',
    'persistent_sequential_with_ttl',
    undefined,
    undefined,
  ]);
});

test('no path or user can forge a pair or a line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (user, znode) => {
      const line = auditLine({ ...by, user, operation: 'delete', znode: `/\t\n${znode}`, result: 'failure' });
      expect(line.split('\t').length).toBe(6);
      expect(line.split(/[\n\r\u2028\u2029]/).length).toBe(1);
    }),
  );
});
