/** What simulated clients ask, as data: the workload draws it, the wire carries it, the model answers it, too. */
import {
  type ACL,
  AddWatchRequest,
  AuthPacket,
  CheckVersionRequest,
  CreateRequest,
  CreateTtlRequest,
  DeleteRequest,
  GetEphemeralsRequest,
  isEphemeralMode,
  type JuteWriter,
  MultiHeader,
  OpCode,
  PathRequest,
  ReconfigRequest,
  SetAclRequest,
  SetDataRequest,
  SetWatches2,
  SpecialXid,
  SyncRequest,
  WatchedPathRequest,
  WatchesRequest,
} from '@treekeeper/protocol';
import type { WatchLists } from './model/watches.ts';

export interface Create {
  readonly kind: 'create';
  readonly opcode: number;
  readonly path: string;
  readonly data: Uint8Array | null;
  readonly acl: readonly ACL[];
  readonly flags: number;
  /** Sent with opcode createTTL only. */
  readonly ttlMs: number;
}

export interface Delete {
  readonly kind: 'delete';
  readonly path: string;
  readonly version: number;
}

export interface SetData {
  readonly kind: 'setData';
  readonly path: string;
  readonly data: Uint8Array | null;
  readonly version: number;
}

export interface Check {
  readonly kind: 'check';
  readonly path: string;
  readonly version: number;
}

export type MultiPart = Create | Delete | SetData | Check;

export type WriteRequest =
  | Create
  | Delete
  | SetData
  | { readonly kind: 'setACL'; readonly path: string; readonly acl: readonly ACL[]; readonly version: number }
  | { readonly kind: 'multi'; readonly parts: readonly MultiPart[] }
  | Reconfigure
  | { readonly kind: 'closeSession' };

/** The ensemble's members change: by what is listed, or (`members`) to others as a whole. */
export interface Reconfigure {
  readonly kind: 'reconfig';
  readonly joining: string | null;
  readonly leaving: string | null;
  readonly members: string | null;
}

export type ReadRequest =
  | {
      readonly kind: 'exists' | 'getData' | 'getChildren' | 'getChildren2';
      readonly path: string;
      readonly watch: boolean;
    }
  | { readonly kind: 'getACL' | 'getAllChildrenNumber' | 'sync' | 'getEphemerals'; readonly path: string }
  | { readonly kind: 'ping' }
  | { readonly kind: 'multiRead'; readonly parts: readonly { readonly opcode: number; readonly path: string }[] }
  | { readonly kind: 'addWatch'; readonly path: string; readonly mode: number }
  | { readonly kind: 'checkWatches' | 'removeWatches'; readonly path: string; readonly type: number }
  | { readonly kind: 'setWatches2'; readonly lists: WatchLists };

/** A body that does not decode. */
export interface Malformed {
  readonly kind: 'malformed';
  readonly opcode: number;
}

/** Adds a digest identity. */
export interface Auth {
  readonly kind: 'auth';
  readonly user: string;
}

export type ClientRequest = WriteRequest | ReadRequest | Malformed | Auth;

const WRITE_KINDS: ReadonlySet<string> = new Set([
  'create',
  'delete',
  'setData',
  'setACL',
  'multi',
  'reconfig',
  'closeSession',
]);

export function isWrite(request: ClientRequest): request is WriteRequest {
  return WRITE_KINDS.has(request.kind);
}

/** Whether it would give its session an ephemeral node. */
export function createsEphemeral(request: ClientRequest | MultiPart): boolean {
  if (request.kind === 'multi') {
    return request.parts.some(createsEphemeral);
  }
  const isOfFlags = request.kind === 'create' && PLAIN_CREATES.includes(request.opcode);
  return isOfFlags && isEphemeralMode(request.flags);
}

const PLAIN_CREATES: readonly number[] = [OpCode.create, OpCode.create2];

export function opcodeOf(request: ClientRequest): number {
  return 'opcode' in request ? request.opcode : OpCode[request.kind];
}

/** The xid that the request is sent with; `next` if it has no special one. */
export function xidOf(request: ClientRequest, next: number): number {
  switch (request.kind) {
    case 'ping':
      return SpecialXid.ping;
    case 'auth':
      return SpecialXid.auth;
    case 'setWatches2':
      return SpecialXid.setWatches;
    default:
      return next;
  }
}

const END_OF_MULTI = { type: -1, done: true, err: -1 };

export function encodeBody(writer: JuteWriter, request: ClientRequest): void {
  switch (request.kind) {
    case 'create':
    case 'delete':
    case 'setData':
      return encodePart(writer, request);
    case 'setACL':
      return SetAclRequest.encode(writer, request);
    case 'multi':
      for (const part of request.parts) {
        MultiHeader.encode(writer, { type: opcodeOfPart(part), done: false, err: -1 });
        encodePart(writer, part);
      }
      return MultiHeader.encode(writer, END_OF_MULTI);
    case 'reconfig': {
      const { joining: joiningServers, leaving: leavingServers, members: newMembers } = request;
      return ReconfigRequest.encode(writer, { joiningServers, leavingServers, newMembers, curConfigId: -1n });
    }
    case 'exists':
    case 'getData':
    case 'getChildren':
    case 'getChildren2':
      return WatchedPathRequest.encode(writer, request);
    case 'getACL':
    case 'getAllChildrenNumber':
      return PathRequest.encode(writer, request);
    case 'sync':
      return SyncRequest.encode(writer, request);
    case 'getEphemerals':
      return GetEphemeralsRequest.encode(writer, { prefixPath: request.path });
    case 'multiRead':
      for (const { opcode, path } of request.parts) {
        MultiHeader.encode(writer, { type: opcode, done: false, err: -1 });
        WatchedPathRequest.encode(writer, { path, watch: true });
      }
      return MultiHeader.encode(writer, END_OF_MULTI);
    case 'addWatch':
      return AddWatchRequest.encode(writer, request);
    case 'checkWatches':
    case 'removeWatches':
      return WatchesRequest.encode(writer, request);
    case 'setWatches2':
      return encodeLists(writer, request.lists);
    case 'auth':
      return AuthPacket.encode(writer, { type: 0, scheme: 'digest', auth: Buffer.from(request.user) });
    case 'malformed':
      writer.boolean(true); // one byte: too short for any record
      return;
    case 'ping':
    case 'closeSession':
      return;
  }
}

export function opcodeOfPart(part: MultiPart): number {
  return part.kind === 'create' ? part.opcode : OpCode[part.kind];
}

function encodePart(writer: JuteWriter, part: MultiPart): void {
  switch (part.kind) {
    case 'create':
      if (part.opcode === OpCode.createTTL) {
        return CreateTtlRequest.encode(writer, { ...part, ttl: part.ttlMs });
      }
      return CreateRequest.encode(writer, part);
    case 'delete':
      return DeleteRequest.encode(writer, part);
    case 'setData':
      return SetDataRequest.encode(writer, part);
    case 'check':
      return CheckVersionRequest.encode(writer, part);
  }
}

function encodeLists(writer: JuteWriter, lists: WatchLists): void {
  SetWatches2.encode(writer, {
    relativeZxid: lists.relativeZxid,
    dataWatches: lists.data,
    existWatches: lists.exist,
    childWatches: lists.child,
    persistentWatches: lists.persistent,
    persistentRecursiveWatches: lists.recursive,
  });
}
