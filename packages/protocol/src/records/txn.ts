/** Transactions: the same bytes in the log, in proposals and inside a multi (disk-format.md §2.2). */
import {
  boolean,
  buffer,
  type Encodable,
  type Infer,
  int,
  long,
  nullable,
  record,
  ustring,
  vector,
} from '../jute/schema.ts';
import { ACL } from './data.ts';

export const TxnHeader = record('TxnHeader', { clientId: long, cxid: int, zxid: long, time: long, type: int });
export type TxnHeader = Infer<typeof TxnHeader>;
export type EncodableTxnHeader = Encodable<typeof TxnHeader>;
/** Follows the txn when digests are on; version 2 (disk-format.md §4). */
export const TxnDigest = record('TxnDigest', { version: int, treeDigest: long });
export type TxnDigest = Infer<typeof TxnDigest>;

const createFields = { path: ustring, data: nullable(buffer), acl: nullable(vector(ACL)) };

export const CreateTxn = record('CreateTxn', { ...createFields, ephemeral: boolean, parentCVersion: int });
export type CreateTxn = Infer<typeof CreateTxn>;
/** Of releases up to 3.3: the parent's cversion counts on by one. */
export const CreateTxnV0 = record('CreateTxnV0', { ...createFields, ephemeral: boolean });
export const CreateContainerTxn = record('CreateContainerTxn', { ...createFields, parentCVersion: int });
export type CreateContainerTxn = Infer<typeof CreateContainerTxn>;
export const CreateTtlTxn = record('CreateTTLTxn', { ...createFields, parentCVersion: int, ttl: long });
export type CreateTtlTxn = Infer<typeof CreateTtlTxn>;
export const DeleteTxn = record('DeleteTxn', { path: ustring });
export type DeleteTxn = Infer<typeof DeleteTxn>;
/** setData, and reconfig (path /zookeeper/config, version −1). `version` is the new one. */
export const SetDataTxn = record('SetDataTxn', { path: ustring, data: nullable(buffer), version: int });
export type SetDataTxn = Infer<typeof SetDataTxn>;
/** `version` is the new aversion. */
export const SetAclTxn = record('SetACLTxn', { path: ustring, acl: nullable(vector(ACL)), version: int });
export type SetAclTxn = Infer<typeof SetAclTxn>;
/** Only inside a multi; `version` is the node's version + 1, never evaluated on replay. */
export const CheckVersionTxn = record('CheckVersionTxn', { path: ustring, version: int });
export type CheckVersionTxn = Infer<typeof CheckVersionTxn>;
export const CreateSessionTxn = record('CreateSessionTxn', { timeOut: int });
export type CreateSessionTxn = Infer<typeof CreateSessionTxn>;
export const CloseSessionTxn = record('CloseSessionTxn', { paths2Delete: vector(ustring) });
export type CloseSessionTxn = Infer<typeof CloseSessionTxn>;
/** A refused write: it consumes a zxid too. */
export const ErrorTxn = record('ErrorTxn', { err: int });
export type ErrorTxn = Infer<typeof ErrorTxn>;
/** One operation of a multi, its own txn encoded. */
export const SubTxn = record('Txn', { type: int, data: buffer });
export type SubTxn = Infer<typeof SubTxn>;
export const MultiTxn = record('MultiTxn', { txns: vector(SubTxn) });
export type MultiTxn = Infer<typeof MultiTxn>;
