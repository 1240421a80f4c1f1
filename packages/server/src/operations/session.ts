/** The transactions that begin and end sessions (client-protocol.md §10). */
import { CloseSessionTxn, CreateSessionTxn, EmptyRecord, OpCode, parentPath } from '@treekeeper/protocol';
import { childrenRemoved } from './delete.ts';
import type { Preparation, Txn, TxnKind, WriteOperation } from './operation.ts';

export const createSessionTxn: TxnKind<CreateSessionTxn> = {
  type: OpCode.createSession,
  record: CreateSessionTxn,
  apply({ sessions }, { timeOut }, { sessionId }) {
    sessions.open(sessionId, timeOut);
    return 0;
  },
};

/** Deletes the listed paths in order, then any other ephemeral this server knows of the session. */
export const closeSessionTxn: TxnKind<CloseSessionTxn> = {
  type: OpCode.closeSession,
  record: CloseSessionTxn,
  apply({ tree, sessions }, { paths2Delete }, { sessionId, zxid }) {
    for (const path of paths2Delete) {
      tree.remove(path, zxid); // a path that is gone already is no fault
    }
    for (const path of tree.ephemeralsOf(sessionId)) {
      tree.remove(path, zxid);
    }
    sessions.close(sessionId);
    return 0;
  },
};

/** Of the same type without the list (closeSessionTxn.enabled=false), as releases before 3.6 write it. */
export const bareCloseSessionTxn: TxnKind<object> = {
  type: OpCode.closeSession,
  record: EmptyRecord,
  apply: (world, _value, context) => closeSessionTxn.apply(world, { paths2Delete: [] }, context),
};

/** From here on the session's requests get SESSION_EXPIRED; its ephemerals go with the transaction. */
export function prepareCloseSession(preparation: Preparation): Txn {
  const { world, sessionId } = preparation;
  const paths2Delete = preparation.ephemeralsOf(sessionId);
  discardAll(preparation, paths2Delete);
  const session = world.sessions.get(sessionId);
  if (session !== undefined) {
    session.closing = true;
  }
  return world.rules.closeSessionTxnEnabled
    ? { kind: closeSessionTxn, value: { paths2Delete } }
    : { kind: bareCloseSessionTxn, value: {} };
}

/** There may be thousands, mostly beside each other: their parent is changed once for all that follow one another. */
function discardAll(preparation: Preparation, paths: readonly string[]): void {
  let parent = '';
  let removed = 0;
  for (const path of paths) {
    if (!isChild(path, parent)) {
      leave(preparation, parent, removed);
      parent = parentPath(path);
      removed = 0;
    }
    removed += preparation.discard(path) ? 1 : 0;
  }
  leave(preparation, parent, removed);
}

function leave(preparation: Preparation, parent: string, removed: number): void {
  if (removed > 0) {
    childrenRemoved(preparation, parent, removed);
  }
}

function isChild(path: string, parent: string): boolean {
  return path.lastIndexOf('/') === parent.length && path.startsWith(parent);
}

export const closeSession: WriteOperation<object> = {
  kind: 'write',
  name: 'closeSession',
  opcode: OpCode.closeSession,
  request: EmptyRecord,
  prepare: prepareCloseSession,
  reply: () => {},
};
