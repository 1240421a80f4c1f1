/** What the session says of its own accord. */
import {
  AuthPacket,
  EmptyRecord,
  GetSaslRequest,
  OpCode,
  SetSaslResponse,
  SetWatches,
  SetWatches2,
} from '@treekeeper/protocol';
import type { SessionRequest, WireOperation } from './types.ts';

function operation(opcode: number, request: Pick<WireOperation, 'encode'>, reply: Pick<WireOperation, 'decode'>) {
  return {
    opcode,
    isRead: false,
    encode: (writer, body) => request.encode(writer, body),
    decode: (reader) => reply.decode(reader),
  } satisfies WireOperation;
}

export const authOperation: WireOperation = operation(OpCode.auth, AuthPacket, EmptyRecord);
export const saslOperation: WireOperation = operation(OpCode.sasl, GetSaslRequest, SetSaslResponse);
export const closeOperation: WireOperation = operation(OpCode.closeSession, EmptyRecord, EmptyRecord);
/** For servers before 3.6, which do not know the other; they have no persistent watches either. */
export const setWatchesOperation: WireOperation = operation(OpCode.setWatches, SetWatches, EmptyRecord);
export const setWatches2Operation: WireOperation = operation(OpCode.setWatches2, SetWatches2, EmptyRecord);

/** A request that nobody waits for but the session itself. */
export function internalRequest(of: WireOperation, body: unknown): SessionRequest {
  return {
    kind: 'request',
    operation: of,
    body,
    watch: null,
    deadlineMs: Number.POSITIVE_INFINITY,
    phase: 'new',
    xid: 0,
    encoded: null,
    failure: null,
    value: undefined,
    zxid: null,
    requestBytes: 0,
    replyBytes: 0,
  };
}
