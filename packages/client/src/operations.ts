/** The requests of programs, one row each: name, number, layout (client-protocol.md §3.3). */
import {
  AddWatchRequest,
  Create2Response,
  CreateRequest,
  CreateTtlRequest,
  DeleteRequest,
  EmptyRecord,
  type Encodable,
  GetAclResponse,
  GetAllChildrenNumberResponse,
  GetChildren2Response,
  GetChildrenResponse,
  GetDataResponse,
  GetEphemeralsRequest,
  GetEphemeralsResponse,
  type Infer,
  type JuteReader,
  type JuteWriter,
  OpCode,
  PathRequest,
  ReconfigRequest,
  SetAclRequest,
  SetDataRequest,
  StatResponse,
  SyncRequest,
  SyncResponse,
  WatchedPathRequest,
  WatchesRequest,
  WhoAmIResponse,
} from '@treekeeper/protocol';
import type { WireOperation } from './session/types.ts';

/** An operation with the types of its request and reply. */
export interface Operation<Body, Reply> extends WireOperation {
  encode(writer: JuteWriter, body: Body): void;
  decode(reader: JuteReader): Reply;
}

interface Encoder<Body> {
  encode(writer: JuteWriter, body: Body): void;
}
interface Decoder<Reply> {
  decode(reader: JuteReader): Reply;
}

function read<Body, Reply>(opcode: number, request: Encoder<Body>, reply: Decoder<Reply>): Operation<Body, Reply> {
  return row(opcode, true, request, reply);
}
function write<Body, Reply>(opcode: number, request: Encoder<Body>, reply: Decoder<Reply>): Operation<Body, Reply> {
  return row(opcode, false, request, reply);
}
function row<Body, Reply>(opcode: number, isRead: boolean, request: Encoder<Body>, reply: Decoder<Reply>) {
  return {
    opcode,
    isRead,
    encode: (writer: JuteWriter, body: Body) => request.encode(writer, body),
    decode: (reader: JuteReader) => reply.decode(reader),
  };
}

export const operations = {
  get: read(OpCode.getData, WatchedPathRequest, GetDataResponse),
  exists: read(OpCode.exists, WatchedPathRequest, StatResponse),
  children: read(OpCode.getChildren, WatchedPathRequest, GetChildrenResponse),
  childrenWithStat: read(OpCode.getChildren2, WatchedPathRequest, GetChildren2Response),
  childrenCountAll: read(OpCode.getAllChildrenNumber, PathRequest, GetAllChildrenNumberResponse),
  getAcl: read(OpCode.getACL, PathRequest, GetAclResponse),
  ephemerals: read(OpCode.getEphemerals, GetEphemeralsRequest, GetEphemeralsResponse),
  whoAmI: read(OpCode.whoAmI, EmptyRecord, WhoAmIResponse),
  /** Changes nothing, so that it may be repeated. */
  sync: read(OpCode.sync, SyncRequest, SyncResponse),
  addWatch: read(OpCode.addWatch, AddWatchRequest, EmptyRecord),
  removeWatches: read(OpCode.removeWatches, WatchesRequest, EmptyRecord),
  create: write(OpCode.create2, CreateRequest, Create2Response),
  createContainer: write(OpCode.createContainer, CreateRequest, Create2Response),
  createTtl: write(OpCode.createTTL, CreateTtlRequest, Create2Response),
  delete: write(OpCode.delete, DeleteRequest, EmptyRecord),
  set: write(OpCode.setData, SetDataRequest, StatResponse),
  setAcl: write(OpCode.setACL, SetAclRequest, StatResponse),
  reconfig: write(OpCode.reconfig, ReconfigRequest, GetDataResponse),
} as const;

export type CreateBody = Encodable<typeof CreateTtlRequest>;
export type GetDataReply = Infer<typeof GetDataResponse>;
