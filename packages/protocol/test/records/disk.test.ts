/** Pieces of log and snapshot files from disk-format.md, byte for byte. */
import {
  CloseSessionTxn,
  CreateSessionTxn,
  CreateTxn,
  CreateTxnV0,
  DeleteTxn,
  ErrorTxn,
  FileHeader,
  JuteReader,
  LOG_MAGIC,
  LOG_RECORD_END,
  LogRecordHeader,
  MultiTxn,
  OPEN_ACL,
  READ_ACL,
  type RecordType,
  Seal,
  SetDataTxn,
  SNAPSHOT_MAGIC,
  SnapshotAcl,
  SnapshotDigest,
  SnapshotNode,
  SnapshotSession,
  StatPersisted,
  TxnDigest,
  TxnHeader,
} from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { encodedHex, readerOf, text } from '../support/hex.ts';

/** Reads these records one behind the other, and checks that they write the same bytes again. */
function readAll(hex: string, types: readonly RecordType[]): unknown[] {
  const reader = readerOf(hex);
  const values = types.map((type) => type.decode(reader));
  expect(reader.remaining).toBe(0);
  const written = types.map((type, i) => encodedHex(type, values[i])).join('');
  expect(written).toBe(hex.replace(/\s/g, ''));
  return values;
}

const WORLD = '00000005 776f726c64 00000006 616e796f6e65';

describe('a log (§2.1)', () => {
  test('file header', () => {
    const [header] = readAll('5a4b4c47 00000002 0000000000000000', [FileHeader]);
    expect(header).toEqual({ magic: LOG_MAGIC, version: 2, dbid: 0n });
    expect(LOG_RECORD_END).toBe(0x42);
  });

  test('createSession', () => {
    const values = readAll(
      `00000000d50c0b1e 00000030
       0100003cdd190000 00000000 0000000000000001 000001a1fb7dfe21 fffffff6
       00004e20
       00000002 0000000051c6d660`,
      [LogRecordHeader, TxnHeader, CreateSessionTxn, TxnDigest],
    );
    expect(values).toEqual([
      { adler32: 0xd50c0b1en, length: 48 },
      { clientId: 0x100003cdd190000n, cxid: 0, zxid: 1n, time: 0x1a1fb7dfe21n, type: -10 },
      { timeOut: 20000 },
      { version: 2, treeDigest: 1371985504n },
    ]);
  });

  test('create', () => {
    const values = readAll(
      `00000000b8b8100f 0000005f
       0100003cdd190000 00000001 0000000000000003 000001a1fb7dfe2f 00000001
       00000006 2f706c61696e  00000005 68656c6c6f
       00000001 0000001f ${WORLD}
       00 00000001  00000002 0000000114cef674`,
      [LogRecordHeader, TxnHeader, CreateTxn, TxnDigest],
    );
    expect(values[2]).toEqual({
      path: '/plain',
      data: text('hello'),
      acl: OPEN_ACL,
      ephemeral: false,
      parentCVersion: 1,
    });
  });

  test('create of releases up to 3.3 ends before the parent’s cversion', () => {
    const [txn] = readAll(`00000002 2f61 ffffffff 00000001 0000001f ${WORLD} 01`, [CreateTxnV0]);
    expect(txn).toEqual({ path: '/a', data: null, acl: OPEN_ACL, ephemeral: true });
  });

  test('a failed multi (§2.2)', () => {
    const values = readAll(
      `00000000f4b11e06 0000007c  0100003cdd190000 00000022 0000000000000026 000001a1fb7dfe71 0000000e
       00000003
       00000001 0000002c 00000004 2f6d2f78 00000000 00000001 0000001f ${WORLD} 00 00000003
       ffffffff 00000004 ffffff99
       ffffffff 00000004 fffffffe
       00000002 000000092afee9ef`,
      [LogRecordHeader, TxnHeader, MultiTxn, TxnDigest],
    );
    const { txns } = values[2] as MultiTxn;
    expect(txns.map((txn) => txn.type)).toEqual([1, -1, -1]);
    expect(CreateTxn.decode(new JuteReader(txns[0].data))).toEqual({
      path: '/m/x',
      data: text(''),
      acl: OPEN_ACL,
      ephemeral: false,
      parentCVersion: 3,
    });
    expect(txns.slice(1).map((txn) => ErrorTxn.decode(new JuteReader(txn.data)).err)).toEqual([-103, -2]);
  });

  test('closeSession (§2.2)', () => {
    const values = readAll(
      `00000000440010f2 00000049  0100003cdd190002 00000003 000000000000002b 000001a1fb7dfe79 fffffff5
       00000002 00000009 2f676f6e652d657068 00000008 2f6d2f676f6e6532  00000002 0000000b282cc9e6`,
      [LogRecordHeader, TxnHeader, CloseSessionTxn, TxnDigest],
    );
    expect(values[2]).toEqual({ paths2Delete: ['/gone-eph', '/m/gone2'] });
  });

  test('the shorter ones', () => {
    expect(readAll('00000002 2f61', [DeleteTxn])).toEqual([{ path: '/a' }]);
    expect(readAll('00000002 2f61 00000002 7632 00000001', [SetDataTxn])).toEqual([
      { path: '/a', data: text('v2'), version: 1 },
    ]);
  });
});

describe('a snapshot (§3.1)', () => {
  test('header, sessions, ACLs', () => {
    expect(readAll('5a4b534e 00000002 ffffffffffffffff', [FileHeader])).toEqual([
      { magic: SNAPSHOT_MAGIC, version: 2, dbid: -1n },
    ]);
    expect(readAll('0100003cdd190001 00004e20', [SnapshotSession])).toEqual([
      { id: 0x100003cdd190001n, timeoutMs: 20000 },
    ]);
    expect(readAll(`0000000000000001 00000001 00000001 ${WORLD}`, [SnapshotAcl])).toEqual([{ id: 1n, acl: READ_ACL }]);
  });

  test('a node, behind its path', () => {
    const [node] = readAll(
      `00000009 726f6f742064617461 0000000000000002
       0000000000000000 000000000000001d 0000000000000000 000001a1fb7dfe5e
       00000001 00000013 00000001 0000000000000000 0000000000000039`,
      [SnapshotNode],
    );
    expect(node).toEqual({
      data: text('root data'),
      aclId: 2n,
      stat: {
        czxid: 0n,
        mzxid: 0x1dn,
        ctime: 0n,
        mtime: 0x1a1fb7dfe5en,
        version: 1,
        cversion: 19,
        aversion: 1,
        ephemeralOwner: 0n,
        pzxid: 0x39n,
      },
    });
    expect(encodedHex(StatPersisted, (node as SnapshotNode).stat)).toHaveLength(2 * 60);
  });

  test('seals and digest', () => {
    const values = readAll(
      `000000003622c621 00000001 2f
       0000000000000039 00000002 0000000b8a66adb7
       00000000f076ca2a 00000001 2f`,
      [Seal, SnapshotDigest, Seal],
    );
    expect(values).toEqual([
      { adler32: 0x3622c621n, end: '/' },
      { zxid: 0x39n, version: 2, digest: 0xb8a66adb7n },
      { adler32: 0xf076ca2an, end: '/' },
    ]);
  });
});
