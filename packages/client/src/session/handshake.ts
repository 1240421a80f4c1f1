/** The first frame each way (client-protocol.md §2.2). */

import { ConnectRequest, ConnectResponse, type JuteReader, type JuteWriter, ReplyHeader } from '@treekeeper/protocol';
import { codeOfNumber } from '../errors.ts';

export const PASSWORD_BYTES = 16;
const NO_PASSWORD = new Uint8Array(PASSWORD_BYTES);
/** A reply header in place of the answer: how a read-only server refuses (client-protocol.md §2.8). */
const REPLY_HEADER_BYTES = 16;

export interface Introduction {
  readonly lastZxid: bigint;
  readonly timeoutMs: number;
  /** 0n asks for a new session. */
  readonly sessionId: bigint;
  readonly password: Uint8Array;
  readonly readOnly: boolean;
}

export type HandshakeAnswer =
  | {
      readonly kind: 'accepted';
      readonly timeoutMs: number;
      readonly sessionId: bigint;
      readonly password: Uint8Array;
      readonly readOnly: boolean;
    }
  /** The session is no more. */
  | { readonly kind: 'gone' }
  /** This server does not want it; another one may. */
  | { readonly kind: 'refused'; readonly reason: string };

export function writeIntroduction(writer: JuteWriter, me: Introduction): void {
  ConnectRequest.encode(writer, {
    protocolVersion: 0,
    lastZxidSeen: me.lastZxid,
    timeOut: me.timeoutMs,
    sessionId: me.sessionId,
    passwd: me.sessionId === 0n ? NO_PASSWORD : me.password,
  });
  writer.boolean(me.readOnly);
}

export function readAnswer(reader: JuteReader, asked: Introduction): HandshakeAnswer {
  if (reader.remaining === REPLY_HEADER_BYTES) {
    return { kind: 'refused', reason: codeOfNumber(ReplyHeader.decode(reader).err) };
  }
  const { timeOut, sessionId, passwd } = ConnectResponse.decode(reader);
  const readOnly = reader.remaining > 0 && reader.boolean();
  const isOther = asked.sessionId !== 0n && sessionId !== asked.sessionId;
  if (timeOut <= 0 || sessionId === 0n || isOther) {
    return asked.sessionId === 0n ? { kind: 'refused', reason: 'it gives no session' } : { kind: 'gone' };
  }
  return { kind: 'accepted', timeoutMs: timeOut, sessionId, password: passwd, readOnly };
}
