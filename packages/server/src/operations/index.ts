/** The table of operations: what a client may ask for by opcode, and what a log may hold by type. */
import { getACL, setACL, setAclTxn } from './acl.ts';
import { getEphemerals, ping, whoAmI } from './connection.ts';
import {
  create,
  create2,
  create2Txn,
  createContainer,
  createContainerTxn,
  createTTL,
  createTtlTxn,
  createTxn,
} from './create.ts';
import { deleteContainerTxn, deleteNode, deleteTxn } from './delete.ts';
import { errorTxn } from './error.ts';
import { getAllChildrenNumber, getChildren, getChildren2 } from './get-children.ts';
import { exists, getData } from './get-data.ts';
import { multi, multiTxn } from './multi.ts';
import { multiRead } from './multi-read.ts';
import type { Operation, TxnKind } from './operation.ts';
import { reconfig, reconfigTxn } from './reconfig.ts';
import { closeSession, closeSessionTxn, createSessionTxn } from './session.ts';
import { setData, setDataTxn } from './set-data.ts';
import { sync } from './sync.ts';
import { addWatch, checkWatches, removeWatches, setWatches, setWatches2 } from './watches.ts';

/**
 * Everything a client may send after the handshake, but auth and sasl, which belong to the connection. Not here, and so
 * UNIMPLEMENTED: check (only inside a multi), deleteContainer (the server's own, trap 47), createSession.
 */
const operations: readonly Operation[] = [
  create,
  create2,
  createContainer,
  createTTL,
  deleteNode,
  exists,
  getData,
  setData,
  getACL,
  setACL,
  getChildren,
  getChildren2,
  getAllChildrenNumber,
  getEphemerals,
  whoAmI,
  ping,
  sync,
  multi,
  multiRead,
  reconfig,
  addWatch,
  checkWatches,
  removeWatches,
  setWatches,
  setWatches2,
  closeSession,
];

/** Small non-negative opcodes are looked up in an array: this stands on the path of every request. */
const byOpcode: (Operation | undefined)[] = [];
for (const operation of operations) {
  if (operation.opcode >= 0) {
    byOpcode[operation.opcode] = operation;
  }
}

export function operationOf(opcode: number): Operation | undefined {
  return opcode >= 0 ? byOpcode[opcode] : opcode === closeSession.opcode ? closeSession : undefined;
}

const txnKinds = new Map<number, TxnKind>(
  [
    createTxn,
    create2Txn,
    createContainerTxn,
    createTtlTxn,
    deleteTxn,
    deleteContainerTxn,
    setDataTxn,
    setAclTxn,
    reconfigTxn,
    multiTxn,
    createSessionTxn,
    closeSessionTxn,
    errorTxn,
  ].map((kind) => [kind.type, kind as TxnKind]),
);

/** Undefined for a type that no log may hold on its own (check among them). */
export function txnKindOf(type: number): TxnKind | undefined {
  return txnKinds.get(type);
}

export { operations };
