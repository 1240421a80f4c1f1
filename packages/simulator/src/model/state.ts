/** Tree and sessions after a transaction: the model's side of replay (disk-format.md §2.2, §3.6). */
import {
  CheckVersionTxn,
  CloseSessionTxn,
  CONTAINER_OWNER,
  CreateContainerTxn,
  CreateSessionTxn,
  CreateTtlTxn,
  CreateTxn,
  DeleteTxn,
  type EncodableStat,
  ErrorTxn,
  JuteReader,
  JuteWriter,
  MultiTxn,
  OpCode,
  type RecordType,
  SetAclTxn,
  SetDataTxn,
  ttlOwner,
} from '@treekeeper/protocol';
import { refreshStatistics } from './quota.ts';
import { type ModelChange, ModelTree } from './tree.ts';

/** A transaction's type with its decoded body. */
export type ModelTxn =
  | { readonly type: 1 | 15; readonly value: CreateTxn }
  | { readonly type: 19; readonly value: CreateContainerTxn }
  | { readonly type: 21; readonly value: CreateTtlTxn }
  | { readonly type: 2 | 20; readonly value: DeleteTxn }
  | { readonly type: 5 | 16; readonly value: SetDataTxn }
  | { readonly type: 7; readonly value: SetAclTxn }
  | { readonly type: 13; readonly value: CheckVersionTxn }
  | { readonly type: 14; readonly value: MultiTxn }
  | { readonly type: -10; readonly value: CreateSessionTxn }
  | { readonly type: -11; readonly value: CloseSessionTxn }
  | { readonly type: -1; readonly value: ErrorTxn };

const RECORDS = new Map<number, RecordType>([
  [OpCode.create, CreateTxn],
  [OpCode.create2, CreateTxn],
  [OpCode.createContainer, CreateContainerTxn],
  [OpCode.createTTL, CreateTtlTxn],
  [OpCode.delete, DeleteTxn],
  [OpCode.deleteContainer, DeleteTxn],
  [OpCode.setData, SetDataTxn],
  [OpCode.reconfig, SetDataTxn],
  [OpCode.setACL, SetAclTxn],
  [OpCode.check, CheckVersionTxn],
  [OpCode.multi, MultiTxn],
  [OpCode.createSession, CreateSessionTxn],
  [OpCode.closeSession, CloseSessionTxn],
  [OpCode.error, ErrorTxn],
]);

export function txnRecord(type: number): RecordType {
  const record = RECORDS.get(type);
  if (record === undefined) {
    throw new Error(`a transaction of type ${type}`);
  }
  return record;
}

export function encodeTxn({ type, value }: ModelTxn): Buffer {
  const writer = new JuteWriter();
  txnRecord(type).encode(writer, value);
  return writer.copy();
}

/** What a transaction's header says. */
export interface TxnOrigin {
  readonly sessionId: bigint;
  readonly zxid: number;
  readonly timeMs: number;
}

/** The operations of a multi, decoded. */
export function partsOf({ txns }: MultiTxn): ModelTxn[] {
  return txns.map(({ type, data }) => ({ type, value: txnRecord(type).decode(new JuteReader(data)) }) as ModelTxn);
}

/** Applies to a tree; session transactions only delete there. Returns what watches hear of. */
export function applyToTree(tree: ModelTree, txn: ModelTxn, origin: TxnOrigin): ModelChange[] {
  const { zxid, timeMs } = origin;
  switch (txn.type) {
    case OpCode.create:
    case OpCode.create2:
    case OpCode.createContainer:
    case OpCode.createTTL: {
      const { path, data, acl, parentCVersion } = txn.value;
      return [tree.create(path, data, acl ?? [], ownerOf(txn, origin), parentCVersion, zxid, timeMs)];
    }
    case OpCode.delete:
    case OpCode.deleteContainer:
      return [tree.remove(txn.value.path, zxid)];
    case OpCode.setData:
    case OpCode.reconfig:
      return [tree.setData(txn.value.path, txn.value.data, txn.value.version, zxid, timeMs)];
    case OpCode.setACL:
      tree.setAcl(txn.value.path, txn.value.acl ?? [], txn.value.version);
      return [];
    case OpCode.multi: {
      const parts = partsOf(txn.value);
      const failed = parts.some(({ type }) => type === OpCode.error);
      return failed ? [] : parts.flatMap((part) => applyToTree(tree, part, origin));
    }
    case OpCode.closeSession:
      return txn.value.paths2Delete.map((path) => tree.remove(path, zxid));
    default:
      return []; // check, createSession, error
  }
}

function ownerOf(txn: ModelTxn, { sessionId }: TxnOrigin): bigint {
  switch (txn.type) {
    case OpCode.createContainer:
      return CONTAINER_OWNER;
    case OpCode.createTTL:
      return ttlOwner(txn.value.ttl);
    case OpCode.create:
    case OpCode.create2:
      return txn.value.ephemeral ? sessionId : 0n;
    default:
      return 0n;
  }
}

export class ModelState {
  readonly tree = new ModelTree();
  /** Id → the timeout it began with, ms. */
  readonly sessions = new Map<bigint, number>();
  lastZxid = 0;
  /** Stats after each operation of the last transaction, if that was a multi: what its reply shows. */
  multiStats: (EncodableStat | null)[] = [];

  apply(txn: ModelTxn, origin: TxnOrigin): ModelChange[] {
    this.multiStats = [];
    const changes = txn.type === OpCode.multi ? this.#multi(txn.value, origin) : applyToTree(this.tree, txn, origin);
    refreshStatistics(this.tree);
    if (txn.type === OpCode.createSession) {
      this.sessions.set(origin.sessionId, txn.value.timeOut);
    } else if (txn.type === OpCode.closeSession) {
      this.sessions.delete(origin.sessionId);
    }
    this.lastZxid = origin.zxid;
    return changes;
  }

  #multi(value: MultiTxn, origin: TxnOrigin): ModelChange[] {
    const parts = partsOf(value);
    if (parts.some(({ type }) => type === OpCode.error)) {
      return [];
    }
    return parts.flatMap((part) => {
      const changes = applyToTree(this.tree, part, origin);
      const path = 'path' in part.value ? part.value.path : '';
      this.multiStats.push(this.tree.nodes.has(path) ? this.tree.stat(path) : null);
      return changes;
    });
  }
}
