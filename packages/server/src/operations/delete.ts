/** delete, and deleteContainer, by which the server itself removes containers and expired TTL nodes. */
import {
  DeleteContainerRequest,
  DeleteRequest,
  DeleteTxn,
  ErrorNumber,
  OpCode,
  ownerKind,
  Perms,
  parentPath,
} from '@treekeeper/protocol';
import { hasParent, mayDo, pendingParent, sessionError, versionMatches } from './checks.ts';
import { eagerDelete } from './eager-acl.ts';
import type { PendingNode, Preparation, Txn, TxnKind, WriteOperation } from './operation.ts';

function deleteKind(type: number): TxnKind<DeleteTxn> {
  return { type, record: DeleteTxn, apply: ({ tree }, { path }, { zxid }) => tree.remove(path, zxid) };
}

export const deleteTxn = deleteKind(OpCode.delete);
export const deleteContainerTxn = deleteKind(OpCode.deleteContainer);

/** Nodes nobody may delete (client-protocol.md §5.6); "" is the root's other name. */
const RESERVED = new Set(['', '/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config']);

/** The node's removal and what it does to its parent, in the pending state. */
export function removePending(preparation: Preparation, node: PendingNode): void {
  childrenRemoved(preparation, parentPath(node.path), 1);
  preparation.remove(node);
}

/** What the removal of so many children does to their parent. */
export function childrenRemoved(preparation: Preparation, path: string, count: number): void {
  const parent = preparation.node(path || '/');
  if (parent !== null) {
    const changed = preparation.edit(parent);
    changed.pzxid = preparation.zxid;
    changed.childCount -= count;
    preparation.put(changed);
  }
}

export function prepareDelete(preparation: Preparation, { path, version }: DeleteRequest): Txn | number {
  const refused = sessionError(preparation);
  if (refused !== 0) {
    return refused;
  }
  if (RESERVED.has(path) || !hasParent(path)) {
    return ErrorNumber.BAD_ARGUMENTS;
  }
  const parent = pendingParent(preparation, path);
  if (parent === null) {
    return ErrorNumber.NO_NODE;
  }
  // The permission is the parent's and comes first: a missing child under a closed parent is NO_AUTH (traps 18, 20).
  if (!mayDo(preparation, parent, Perms.delete)) {
    return ErrorNumber.NO_AUTH;
  }
  const node = preparation.node(path);
  if (node === null) {
    return ErrorNumber.NO_NODE;
  }
  if (!versionMatches(node.version, version)) {
    return ErrorNumber.BAD_VERSION;
  }
  if (node.childCount > 0) {
    return ErrorNumber.NOT_EMPTY;
  }
  removePending(preparation, node);
  return { kind: deleteTxn, value: { path } };
}

export const deleteNode: WriteOperation<DeleteRequest> = {
  kind: 'write',
  name: 'delete',
  opcode: OpCode.delete,
  request: DeleteRequest,
  eagerAclCheck: eagerDelete,
  prepare: prepareDelete,
  reply: () => {},
};

/** Made by the reaper alone: from a client it would delete past every ACL (trap 47), so the table does not list it. */
export const deleteContainer: WriteOperation<{ path: string }> = {
  kind: 'write',
  name: 'deleteContainer',
  opcode: OpCode.deleteContainer,
  request: DeleteContainerRequest,
  prepare(preparation, { path }) {
    if (RESERVED.has(path) || !hasParent(path)) {
      return ErrorNumber.BAD_ARGUMENTS;
    }
    const node = preparation.node(path);
    if (node === null) {
      return ErrorNumber.NO_NODE;
    }
    if (node.childCount > 0) {
      return ErrorNumber.NOT_EMPTY;
    }
    // The reaper has judged the node that it saw: one that is only now being made or changed in its place is another.
    const { tree } = preparation.world;
    const seen = tree.find(path);
    const kind = ownerKind(node.owner, tree.ownerRules);
    const isReapable = kind === 'container' || kind === 'ttl';
    if (!isReapable || seen === 0 || node.czxid !== tree.czxid(seen) || node.mzxid !== tree.mzxid(seen)) {
      return ErrorNumber.BAD_VERSION;
    }
    removePending(preparation, node);
    return { kind: deleteContainerTxn, value: { path } };
  },
  reply: () => {},
};
