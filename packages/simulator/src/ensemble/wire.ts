/** What a client's frames say, read from outside: the judges see only what goes over the wire. */
import { AuthPacket, ConnectRequest, JuteReader, OpCode, SetWatches, SetWatches2 } from '@treekeeper/protocol';
import type { ClientRequest } from '../requests.ts';

export function handshakeIn(frame: Uint8Array): ConnectRequest {
  return ConnectRequest.decode(new JuteReader(frame));
}

/**
 * The request in a frame. The session machine's own ones are decoded; `find` has those of the program behind it, by
 * xid.
 */
export function requestIn(
  frame: Uint8Array,
  find: (xid: number) => ClientRequest | null,
): { readonly xid: number; readonly request: ClientRequest } {
  const reader = new JuteReader(frame);
  const xid = reader.int();
  const opcode = reader.int();
  return { xid, request: ownRequest(opcode, reader) ?? found(find(xid), xid, opcode) };
}

function found(request: ClientRequest | null, xid: number, opcode: number): ClientRequest {
  if (request === null) {
    throw new Error(`the session sent a request of type ${opcode}, xid ${xid}, that nobody had made`);
  }
  return request;
}

function ownRequest(opcode: number, reader: JuteReader): ClientRequest | null {
  switch (opcode) {
    case OpCode.ping:
      return { kind: 'ping' };
    case OpCode.closeSession:
      return { kind: 'closeSession' };
    case OpCode.auth:
      return { kind: 'auth', user: Buffer.from(AuthPacket.decode(reader).auth ?? []).toString() };
    case OpCode.setWatches:
      return watchesIn({ ...SetWatches.decode(reader), persistentWatches: [], persistentRecursiveWatches: [] });
    case OpCode.setWatches2:
      return watchesIn(SetWatches2.decode(reader));
    default:
      return null;
  }
}

function watchesIn(record: SetWatches2): ClientRequest {
  return {
    kind: 'setWatches2',
    lists: {
      relativeZxid: Number(record.relativeZxid),
      data: record.dataWatches ?? [],
      exist: record.existWatches ?? [],
      child: record.childWatches ?? [],
      persistent: record.persistentWatches ?? [],
      recursive: record.persistentRecursiveWatches ?? [],
    },
  };
}
