/** Which transactions can be what has become of a request. */
import { OpCode } from '@treekeeper/protocol';
import type { Txn, WriteOperation } from './operation.ts';
import { createSessionTxn } from './session.ts';

/** A leader may log any of these for any other. */
const CREATES: ReadonlySet<number> = new Set([OpCode.create, OpCode.create2, OpCode.createContainer, OpCode.createTTL]);

/**
 * Whether a transaction can be the outcome of this request: that it has the request's session and xid says little, for
 * clients choose their xids, and several connections may use one session. Only then may `reply` be asked for an answer.
 *
 * @param operation null: the request is for a new session
 * @param request null: its body did not decode here
 */
export function canBecome(operation: WriteOperation | null, request: unknown, { kind, value }: Txn): boolean {
  if (kind.type === OpCode.error) {
    return true; // anything may be refused
  }
  if (operation === null) {
    return kind.type === createSessionTxn.type;
  }
  if (!CREATES.has(operation.opcode)) {
    return kind.type === operation.opcode && isAlike(request, value, (asked, done) => asked === done);
  }
  return CREATES.has(kind.type) && isAlike(request, value, (asked, done) => done.startsWith(asked)); // with its number
}

/** False: both name a path, and it is not the same. */
function isAlike(request: unknown, value: unknown, same: (asked: string, done: string) => boolean): boolean {
  const asked = pathIn(request);
  const done = pathIn(value);
  return asked === null || done === null || same(asked, done);
}

function pathIn(record: unknown): string | null {
  const path = (record as { readonly path?: unknown } | null)?.path;
  return typeof path === 'string' ? path : null;
}
