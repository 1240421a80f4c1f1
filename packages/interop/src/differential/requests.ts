import {
  AddWatchRequest,
  AuthPacket,
  CheckVersionRequest,
  CreateRequest,
  CreateTtlRequest,
  DeleteRequest,
  EmptyRecord,
  GetEphemeralsRequest,
  GetSaslRequest,
  isTtlMode,
  JuteReader,
  MultiHeader,
  OpCode,
  opCodeName,
  PathRequest,
  ReconfigRequest,
  type RecordType,
  SetAclRequest,
  SetDataRequest,
  SetWatches,
  SetWatches2,
  SyncRequest,
  WatchedPathRequest,
  WatchesRequest,
} from '@treekeeper/protocol';
import { plain } from '../plain.ts';

/** One request of the sequence. */
export interface Request {
  readonly opcode: number;
  readonly body: Buffer;
  /** What B is sent where it needs other words for the same thing. */
  readonly bodyB?: Buffer;
  /** The server closes the connection behind the reply. */
  readonly closes?: boolean;
}

export const requestRecords = new Map<number, RecordType>([
  [OpCode.create, CreateRequest],
  [OpCode.create2, CreateRequest],
  [OpCode.createContainer, CreateRequest],
  [OpCode.createTTL, CreateTtlRequest],
  [OpCode.delete, DeleteRequest],
  [OpCode.exists, WatchedPathRequest],
  [OpCode.getData, WatchedPathRequest],
  [OpCode.setData, SetDataRequest],
  [OpCode.getACL, PathRequest],
  [OpCode.setACL, SetAclRequest],
  [OpCode.getChildren, WatchedPathRequest],
  [OpCode.getChildren2, WatchedPathRequest],
  [OpCode.sync, SyncRequest],
  [OpCode.ping, EmptyRecord],
  [OpCode.check, CheckVersionRequest],
  [OpCode.reconfig, ReconfigRequest],
  [OpCode.checkWatches, WatchesRequest],
  [OpCode.removeWatches, WatchesRequest],
  [OpCode.auth, AuthPacket],
  [OpCode.sasl, GetSaslRequest],
  [OpCode.setWatches, SetWatches],
  [OpCode.setWatches2, SetWatches2],
  [OpCode.addWatch, AddWatchRequest],
  [OpCode.getEphemerals, GetEphemeralsRequest],
  [OpCode.getAllChildrenNumber, PathRequest],
  [OpCode.whoAmI, EmptyRecord],
  [OpCode.closeSession, EmptyRecord],
]);

/** Decodes a request body; throws JuteError. For multi: the list of its operations. */
export function decodeRequest(opcode: number, body: Uint8Array): unknown {
  const reader = new JuteReader(body);
  if (opcode === OpCode.multi || opcode === OpCode.multiRead) {
    const ops: { type: number; op: unknown }[] = [];
    for (let header = MultiHeader.decode(reader); !header.done; header = MultiHeader.decode(reader)) {
      const record = requestRecords.get(header.type);
      if (record === undefined) {
        throw new Error(`operation ${header.type} in a multi`);
      }
      ops.push({ type: header.type, op: record.decode(reader) });
    }
    return ops;
  }
  const record = requestRecords.get(opcode);
  if (record === undefined) {
    throw new Error(`no record for ${opcode}`);
  }
  return record.decode(reader);
}

/** A request in one line, for reports. */
export function describeRequest(request: Request): string {
  const name = opCodeName(request.opcode) ?? `opcode ${request.opcode}`;
  let text: string;
  try {
    text = plain(decodeRequest(request.opcode, request.body));
  } catch {
    text = `bytes ${request.body.toString('hex')}`;
  }
  const other = request.bodyB === undefined ? '' : ` (B: ${request.bodyB.toString('hex')})`;
  return `${name} ${text.length > 600 ? `${text.slice(0, 600)}…` : text}${other}`;
}

/**
 * Whether Apache ZooKeeper 3.8.0 would die of it, or do what it must not (client-protocol.md §15, traps 43 and 47).
 * Such requests go to Treekeeper alone, in the fuzzer.
 */
export function endangersApache(opcode: number, body: Uint8Array): boolean {
  if (opcode === OpCode.deleteContainer) {
    return true;
  }
  let decoded: unknown;
  try {
    decoded = decodeRequest(opcode, body);
  } catch {
    // Java may be laxer than we are: be careful with anything that may be a time to live or a quota.
    return opcode === OpCode.createTTL || Buffer.from(body).includes('zookeeper_');
  }
  if (opcode === OpCode.multi) {
    return (decoded as { type: number; op: unknown }[]).some(({ type, op }) => isKiller(type, op));
  }
  return isKiller(opcode, decoded);
}

function isKiller(opcode: number, decoded: unknown): boolean {
  const { path, data, flags, ttl } = decoded as {
    path?: string | null;
    data?: Uint8Array | null;
    flags?: number;
    ttl?: bigint;
  };
  if (opcode === OpCode.createTTL && (ttl as bigint) < 0n && !isTtlMode(flags as number)) {
    return true;
  }
  if (typeof path !== 'string') {
    return false;
  }
  if (
    data !== undefined &&
    path.endsWith('/zookeeper_stats') &&
    !/^count=\d+,bytes=\d+$/.test(Buffer.from(data ?? []).toString())
  ) {
    return true;
  }
  return flags !== undefined && path === '/zookeeper/quota/zookeeper_limits';
}
