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
    ? { kind: closeSessionTxn, value: { paths2Delete: whatFits(paths2Delete, preparation.txnBytesMax) } }
    : { kind: bareCloseSessionTxn, value: {} };
}

/** For the header, the digest and the number of paths. */
const AROUND_PATHS_BYTES = 256;
const UTF8_BYTES_MAX = 3;

/**
 * As many paths as other servers can read in one transaction (ZOOKEEPER-4306); each of them finds the others by their
 * owner. One of every parent comes first: where a fuzzy snapshot lacks what is not listed, its parent is changed still.
 */
function whatFits(paths: readonly string[], txnBytesMax: number): readonly string[] {
  let room = txnBytesMax - AROUND_PATHS_BYTES;
  if (paths.reduce((sum, path) => sum + 4 + path.length * UTF8_BYTES_MAX, 0) <= room) {
    return paths;
  }
  const firsts = new Map([...paths].reverse().map((path) => [parentPath(path), path]));
  const chosen = new Set<string>();
  for (const path of [...firsts.values(), ...paths]) {
    const bytes = 4 + Buffer.byteLength(path);
    if (bytes <= room && !chosen.has(path)) {
      chosen.add(path);
      room -= bytes;
    }
  }
  return paths.filter((path) => chosen.has(path));
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
