/**
 * Snapshots and logs read in the plainest way, and transactions applied to a tree: what recovery and the operations do,
 * without either, so that the tree can be held against the golden files alone.
 */
import {
  ACL,
  CloseSessionTxn,
  CONTAINER_OWNER,
  CreateContainerTxn,
  CreateTtlTxn,
  CreateTxn,
  DeleteTxn,
  ErrorNumber,
  JuteReader,
  MultiTxn,
  OpCode,
  record,
  SetAclTxn,
  SetDataTxn,
  SnapshotSession,
  StatPersisted,
  TxnDigest,
  TxnHeader,
  ttlOwner,
  vector,
} from '@treekeeper/protocol';
import type { DataTree } from '../../src/tree/data-tree.ts';

const AclList = record('AclList', { acl: vector(ACL) });

/** Loads an uncompressed snapshot; returns the digest section: its zxid and digest. */
export function loadSnapshot(tree: DataTree, bytes: Uint8Array): { zxid: number; digest: bigint } {
  const reader = new JuteReader(bytes);
  reader.reset(bytes, 16, bytes.length);
  for (let count = reader.int(); count > 0; count--) {
    SnapshotSession.decode(reader);
  }
  for (let count = reader.int(); count > 0; count--) {
    const id = reader.long();
    tree.acls.load(id, AclList.decode(reader).acl);
  }
  for (let path = reader.ustring(); path !== '/'; path = reader.ustring()) {
    const data = reader.nullableBuffer();
    const aclId = reader.long();
    tree.loadNode(path, data, aclId, StatPersisted.decode(reader));
  }
  tree.finishLoading();
  reader.long();
  reader.ustring();
  const zxid = Number(reader.long());
  reader.int();
  return { zxid, digest: reader.long() };
}

export interface LogRecord {
  readonly zxid: number;
  readonly header: TxnHeader;
  readonly txn: JuteReader;
}

/** The records of a log, up to its padding. */
export function readLog(bytes: Buffer): LogRecord[] {
  const records: LogRecord[] = [];
  let at = 16;
  while (at + 12 <= bytes.length) {
    const length = bytes.readInt32BE(at + 8);
    if (length === 0) {
      break;
    }
    const txn = new JuteReader(bytes.subarray(at + 12, at + 12 + length));
    const header = TxnHeader.decode(txn);
    records.push({ zxid: Number(header.zxid), header, txn });
    at += 12 + length + 1;
  }
  return records;
}

/** Applies one transaction; returns the digest that its record carries. */
export function replay(tree: DataTree, { zxid, header, txn }: LogRecord): bigint | null {
  apply(tree, header.type, txn, header.clientId, zxid, Number(header.time));
  tree.lastZxid = zxid;
  return txn.remaining > 0 ? TxnDigest.decode(txn).treeDigest : null;
}

function apply(tree: DataTree, type: number, txn: JuteReader, session: bigint, zxid: number, timeMs: number): number {
  switch (type) {
    case OpCode.create:
    case OpCode.create2: {
      const { path, data, acl, ephemeral, parentCVersion } = CreateTxn.decode(txn);
      const owner = ephemeral ? session : 0n;
      return tree.create(path, data, acl, owner, parentCVersion, zxid, timeMs, type === OpCode.create);
    }
    case OpCode.createContainer: {
      const { path, data, acl, parentCVersion } = CreateContainerTxn.decode(txn);
      return tree.create(path, data, acl, CONTAINER_OWNER, parentCVersion, zxid, timeMs, false);
    }
    case OpCode.createTTL: {
      const { path, data, acl, parentCVersion, ttl } = CreateTtlTxn.decode(txn);
      return tree.create(path, data, acl, ttlOwner(ttl), parentCVersion, zxid, timeMs, false);
    }
    case OpCode.delete:
    case OpCode.deleteContainer:
      return tree.remove(DeleteTxn.decode(txn).path, zxid);
    case OpCode.setData:
    case OpCode.reconfig: {
      const { path, data, version } = SetDataTxn.decode(txn);
      return tree.setData(path, data, version, zxid, timeMs);
    }
    case OpCode.setACL: {
      const { path, acl, version } = SetAclTxn.decode(txn);
      return tree.setAcl(path, acl, version);
    }
    case OpCode.multi: {
      const { txns } = MultiTxn.decode(txn);
      if (!txns.some((sub) => sub.type === OpCode.error)) {
        for (const sub of txns) {
          apply(tree, sub.type, new JuteReader(sub.data), session, zxid, timeMs);
        }
      }
      return 0;
    }
    case OpCode.closeSession: {
      for (const path of [...CloseSessionTxn.decode(txn).paths2Delete, ...tree.ephemeralsOf(session)]) {
        tree.remove(path, zxid);
      }
      return 0;
    }
    case OpCode.createSession:
    case OpCode.error:
      return txn.int();
    case OpCode.check:
      return 0;
    default:
      return ErrorNumber.UNIMPLEMENTED;
  }
}
