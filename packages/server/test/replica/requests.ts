/** Requests as tests write them, each with the decoder of its answer. */
import {
  type ACL,
  AddWatchRequest,
  AuthPacket,
  CheckVersionRequest,
  Create2Response,
  CreateRequest,
  CreateResponse,
  CreateTtlRequest,
  DeleteRequest,
  EmptyRecord,
  ErrorResult,
  GetAclResponse,
  GetAllChildrenNumberResponse,
  GetChildren2Response,
  GetChildrenResponse,
  GetDataResponse,
  GetEphemeralsRequest,
  GetEphemeralsResponse,
  type JuteReader,
  type JuteWriter,
  MultiHeader,
  OPEN_ACL,
  OpCode,
  PathRequest,
  ReconfigRequest,
  type RecordType,
  type RequestAcl,
  SetAclRequest,
  SetDataRequest,
  SetWatches,
  SetWatches2,
  type Stat,
  StatResponse,
  SyncRequest,
  SyncResponse,
  WatchedPathRequest,
  WatchesRequest,
  WhoAmIResponse,
} from '@treekeeper/protocol';

export interface Request<T = unknown> {
  readonly opcode: number;
  /** The reply's xid, where it is not the request's. */
  readonly replyXid?: number;
  encode(writer: JuteWriter): void;
  decode(reader: JuteReader): T;
}

function request<In, T>(opcode: number, record: RecordType<unknown, In>, value: In, answer: RecordType<T>): Request<T> {
  return { opcode, encode: (writer) => record.encode(writer, value), decode: (reader) => answer.decode(reader) };
}

const NOTHING: RecordType<object> = EmptyRecord;

/** Any opcode with any body. The answer's body as text. */
export function raw(opcode: number, body: Uint8Array = new Uint8Array(0)): Request<string> {
  return { opcode, encode: (writer) => writer.raw(body), decode: (reader) => reader.text(reader.remaining) };
}

/** A request with bytes after its record. */
export function withJunk<T>(of: Request<T>, junk: Uint8Array): Request<T> {
  return {
    ...of,
    encode: (writer) => {
      of.encode(writer);
      writer.raw(junk);
    },
  };
}

type Data = string | Uint8Array | null;

export function bytes(data: Data): Uint8Array | null {
  return typeof data === 'string' ? Buffer.from(data) : data;
}

export interface CreateOptions {
  readonly data?: Data;
  readonly acl?: readonly RequestAcl[] | null;
  readonly flags?: number;
}

const OPEN: readonly ACL[] = OPEN_ACL;

function createRequest(path: string, { data = '', acl = OPEN, flags = 0 }: CreateOptions): CreateRequest {
  return { path, data: bytes(data), acl: acl === null ? null : [...acl], flags };
}

export function create(path: string, options: CreateOptions = {}): Request<CreateResponse> {
  return request(OpCode.create, CreateRequest, createRequest(path, options), CreateResponse);
}

export function create2(path: string, options: CreateOptions = {}): Request<Create2Response> {
  return request(OpCode.create2, CreateRequest, createRequest(path, options), Create2Response);
}

export function createContainer(path: string, options: CreateOptions = {}): Request<Create2Response> {
  return request(OpCode.createContainer, CreateRequest, createRequest(path, { flags: 4, ...options }), Create2Response);
}

export function createTTL(path: string, ttl: bigint, options: CreateOptions = {}): Request<Create2Response> {
  const value = { ...createRequest(path, { flags: 5, ...options }), ttl };
  return request(OpCode.createTTL, CreateTtlRequest, value, Create2Response);
}

export function remove(path: string, version = -1): Request<object> {
  return request(OpCode.delete, DeleteRequest, { path, version }, NOTHING);
}

export function setData(path: string | null, data: Data, version = -1): Request<{ stat: Stat }> {
  return request(OpCode.setData, SetDataRequest, { path, data: bytes(data), version }, StatResponse);
}

export function setACL(path: string | null, acl: RequestAcl[] | null, version = -1): Request<{ stat: Stat }> {
  return request(OpCode.setACL, SetAclRequest, { path, acl, version }, StatResponse);
}

export function check(path: string, version = -1): Request<object> {
  return request(OpCode.check, CheckVersionRequest, { path, version }, NOTHING);
}

export function exists(path: string, watch = false): Request<{ stat: Stat }> {
  return request(OpCode.exists, WatchedPathRequest, { path, watch }, StatResponse);
}

export function getData(path: string, watch = false): Request<GetDataResponse> {
  return request(OpCode.getData, WatchedPathRequest, { path, watch }, GetDataResponse);
}

export function getACL(path: string): Request<GetAclResponse> {
  return request(OpCode.getACL, PathRequest, { path }, GetAclResponse);
}

export function getChildren(path: string, watch = false): Request<GetChildrenResponse> {
  return request(OpCode.getChildren, WatchedPathRequest, { path, watch }, GetChildrenResponse);
}

export function getChildren2(path: string, watch = false): Request<GetChildren2Response> {
  return request(OpCode.getChildren2, WatchedPathRequest, { path, watch }, GetChildren2Response);
}

export function getAllChildrenNumber(path: string): Request<GetAllChildrenNumberResponse> {
  return request(OpCode.getAllChildrenNumber, PathRequest, { path }, GetAllChildrenNumberResponse);
}

export function getEphemerals(prefixPath: string | null): Request<GetEphemeralsResponse> {
  return request(OpCode.getEphemerals, GetEphemeralsRequest, { prefixPath }, GetEphemeralsResponse);
}

export function sync(path: string | null): Request<{ path: string | null }> {
  return request(OpCode.sync, SyncRequest, { path }, SyncResponse);
}

export function ping(): Request<object> {
  return { ...request(OpCode.ping, EmptyRecord, {}, NOTHING), replyXid: -2 };
}

export function whoAmI(): Request<WhoAmIResponse> {
  return request(OpCode.whoAmI, EmptyRecord, {}, WhoAmIResponse);
}

export function closeSession(): Request<object> {
  return request(OpCode.closeSession, EmptyRecord, {}, NOTHING);
}

export function auth(scheme: string | null, text: Data): Request<object> {
  return request(OpCode.auth, AuthPacket, { type: 0, scheme, auth: bytes(text) }, NOTHING);
}

export function addWatch(path: string | null, mode: number): Request<ErrorResult> {
  return request(OpCode.addWatch, AddWatchRequest, { path, mode }, ErrorResult);
}

export function checkWatches(path: string | null, type: number): Request<object> {
  return request(OpCode.checkWatches, WatchesRequest, { path, type }, NOTHING);
}

export function removeWatches(path: string | null, type: number): Request<object> {
  return request(OpCode.removeWatches, WatchesRequest, { path, type }, NOTHING);
}

export interface Lists {
  readonly data?: string[];
  readonly exist?: string[];
  readonly child?: string[];
  readonly persistent?: string[];
  readonly recursive?: string[];
}

export function setWatches(relativeZxid: number, { data = [], exist = [], child = [] }: Lists): Request<object> {
  const value = { relativeZxid, dataWatches: data, existWatches: exist, childWatches: child };
  return request(OpCode.setWatches, SetWatches, value, NOTHING);
}

export function setWatches2(relativeZxid: number, lists: Lists): Request<object> {
  const { data = [], exist = [], child = [], persistent = [], recursive = [] } = lists;
  const value = {
    relativeZxid,
    dataWatches: data,
    existWatches: exist,
    childWatches: child,
    persistentWatches: persistent,
    persistentRecursiveWatches: recursive,
  };
  return request(OpCode.setWatches2, SetWatches2, value, NOTHING);
}

/** Left out: null, as clients that change nothing send it; `from` any version. */
export interface Reconfig {
  readonly joining?: string;
  readonly leaving?: string;
  readonly members?: string;
  readonly from?: bigint;
}

export function reconfig({ joining, leaving, members, from = -1n }: Reconfig = {}): Request<GetDataResponse> {
  const value = {
    joiningServers: joining ?? null,
    leavingServers: leaving ?? null,
    newMembers: members ?? null,
    curConfigId: from,
  };
  return request(OpCode.reconfig, ReconfigRequest, value, GetDataResponse);
}

/** One result of a multi or multiRead. */
export interface Result {
  readonly type: number;
  readonly err: number;
  readonly path?: string;
  readonly stat?: Stat;
  readonly data?: string | null;
  readonly children?: string[];
}

function decodeResult(type: number, err: number, reader: JuteReader): Result {
  switch (type) {
    case OpCode.create:
      return { type, err, ...CreateResponse.decode(reader) };
    case OpCode.create2:
      return { type, err, ...Create2Response.decode(reader) };
    case OpCode.setData:
      return { type, err, ...StatResponse.decode(reader) };
    case OpCode.delete:
    case OpCode.check:
      return { type, err };
    case OpCode.getData: {
      const { data, stat } = GetDataResponse.decode(reader);
      return { type, err, data: data === null ? null : Buffer.from(data).toString(), stat };
    }
    case OpCode.getChildren:
      return { type, err, ...GetChildrenResponse.decode(reader) };
    case OpCode.error: {
      const body = ErrorResult.decode(reader);
      if (body.err !== err) {
        throw new Error(`the code stands twice in an error result: ${err}, ${body.err}`);
      }
      return { type, err };
    }
    default:
      throw new Error(`a result of type ${type}`);
  }
}

function decodeResults(reader: JuteReader): Result[] {
  const results: Result[] = [];
  for (;;) {
    const { type, done, err } = MultiHeader.decode(reader);
    if (done) {
      if (type !== -1 || err !== -1) {
        throw new Error(`the terminator is ${type}, ${err}`);
      }
      return results;
    }
    results.push(decodeResult(type, err, reader));
  }
}

function several(opcode: number, parts: readonly Request[], end: MultiHeader | null): Request<Result[]> {
  return {
    opcode,
    encode: (writer) => {
      for (const part of parts) {
        MultiHeader.encode(writer, { type: part.opcode, done: false, err: -1 });
        part.encode(writer);
      }
      if (end !== null) {
        MultiHeader.encode(writer, end);
      }
    },
    decode: decodeResults,
  };
}

const END: MultiHeader = { type: -1, done: true, err: -1 };

export function multi(...parts: Request[]): Request<Result[]> {
  return several(OpCode.multi, parts, END);
}

export function multiRead(...parts: Request[]): Request<Result[]> {
  return several(OpCode.multiRead, parts, END);
}

/** A multi with another terminator, or none. */
export function multiEndedBy(end: MultiHeader | null, ...parts: Request[]): Request<Result[]> {
  return several(OpCode.multi, parts, end);
}
