/** Records between client and server (client-protocol.md §1.4, §3.3, §6). Nulls are where the protocol knows them. */
import {
  boolean,
  buffer,
  type Encodable,
  type Infer,
  int,
  long,
  nullable,
  record,
  ustring,
  vector,
} from '../jute/schema.ts';
import { ACL, Stat } from './data.ts';

/**
 * ACL lists come from clients with nulls in every place; which of them is an error, and which error, is for the ACL
 * rules to say (client-protocol.md §8.3), not for the decoder.
 */
export const RequestId = record('Id', { scheme: nullable(ustring), id: nullable(ustring) });
export type RequestId = Infer<typeof RequestId>;
export const RequestAcl = record('ACL', { perms: int, id: RequestId });
export type RequestAcl = Infer<typeof RequestAcl>;

/** `readOnly` follows when the client sent it; see handshake in the server. */
export const ConnectRequest = record('ConnectRequest', {
  protocolVersion: int,
  lastZxidSeen: long,
  timeOut: int,
  sessionId: long,
  passwd: nullable(buffer),
});
export type ConnectRequest = Infer<typeof ConnectRequest>;

/** `readOnly` (one byte) follows exactly when the request carried it. */
export const ConnectResponse = record('ConnectResponse', {
  protocolVersion: int,
  timeOut: int,
  sessionId: long,
  passwd: buffer,
});
export type ConnectResponse = Infer<typeof ConnectResponse>;

export const RequestHeader = record('RequestHeader', { xid: int, type: int });
export type RequestHeader = Infer<typeof RequestHeader>;
export const ReplyHeader = record('ReplyHeader', { xid: int, zxid: long, err: int });
export type ReplyHeader = Infer<typeof ReplyHeader>;
export const MultiHeader = record('MultiHeader', { type: int, done: boolean, err: int });
export type MultiHeader = Infer<typeof MultiHeader>;
export const ErrorResult = record('ErrorResponse', { err: int });
export type ErrorResult = Infer<typeof ErrorResult>;
export const WatcherEvent = record('WatcherEvent', { type: int, state: int, path: ustring });
export type WatcherEvent = Infer<typeof WatcherEvent>;
export const EmptyRecord = record('Empty', {});
export type EmptyRecord = Infer<typeof EmptyRecord>;

export const AuthPacket = record('AuthPacket', { type: int, scheme: nullable(ustring), auth: nullable(buffer) });
export type AuthPacket = Infer<typeof AuthPacket>;
export const GetSaslRequest = record('GetSASLRequest', { token: nullable(buffer) });
export type GetSaslRequest = Infer<typeof GetSaslRequest>;
export const SetSaslResponse = record('SetSASLResponse', { token: nullable(buffer) });
export type SetSaslResponse = Infer<typeof SetSaslResponse>;

export const CreateRequest = record('CreateRequest', {
  path: nullable(ustring),
  data: nullable(buffer),
  acl: nullable(vector(RequestAcl)),
  flags: int,
});
export type CreateRequest = Infer<typeof CreateRequest>;
export const CreateTtlRequest = record('CreateTTLRequest', {
  path: nullable(ustring),
  data: nullable(buffer),
  acl: nullable(vector(RequestAcl)),
  flags: int,
  ttl: long,
});
export type CreateTtlRequest = Infer<typeof CreateTtlRequest>;
export const CreateResponse = record('CreateResponse', { path: ustring });
export type CreateResponse = Infer<typeof CreateResponse>;
export const Create2Response = record('Create2Response', { path: ustring, stat: Stat });
export type Create2Response = Infer<typeof Create2Response>;

export const DeleteRequest = record('DeleteRequest', { path: ustring, version: int });
export type DeleteRequest = Infer<typeof DeleteRequest>;
/** 3.10's form; up to 3.8 the body was the bare path. */
export const DeleteContainerRequest = record('DeleteContainerRequest', { path: ustring });
export type DeleteContainerRequest = Infer<typeof DeleteContainerRequest>;
export const CheckVersionRequest = record('CheckVersionRequest', { path: ustring, version: int });
export type CheckVersionRequest = Infer<typeof CheckVersionRequest>;

/** exists, getData, getChildren and getChildren2 ask alike. */
export const WatchedPathRequest = record('GetDataRequest', { path: ustring, watch: boolean });
export type WatchedPathRequest = Infer<typeof WatchedPathRequest>;
/** getACL and getAllChildrenNumber. */
export const PathRequest = record('PathRequest', { path: ustring });
export type PathRequest = Infer<typeof PathRequest>;
export const StatResponse = record('ExistsResponse', { stat: Stat });
export type StatResponse = Infer<typeof StatResponse>;
export const GetDataResponse = record('GetDataResponse', { data: nullable(buffer), stat: Stat });
export type GetDataResponse = Infer<typeof GetDataResponse>;
export const GetAclResponse = record('GetACLResponse', {
  acl: vector(ACL),
  stat: Stat,
});
export type GetAclResponse = Infer<typeof GetAclResponse>;
export const GetChildrenResponse = record('GetChildrenResponse', { children: vector(ustring) });
export type GetChildrenResponse = Infer<typeof GetChildrenResponse>;
export const GetChildren2Response = record('GetChildren2Response', { children: vector(ustring), stat: Stat });
export type GetChildren2Response = Infer<typeof GetChildren2Response>;
export const GetAllChildrenNumberResponse = record('GetAllChildrenNumberResponse', { totalNumber: int });
export type GetAllChildrenNumberResponse = Infer<typeof GetAllChildrenNumberResponse>;

export const SetDataRequest = record('SetDataRequest', {
  path: nullable(ustring),
  data: nullable(buffer),
  version: int,
});
export type SetDataRequest = Infer<typeof SetDataRequest>;
export const SetAclRequest = record('SetACLRequest', {
  path: nullable(ustring),
  acl: nullable(vector(RequestAcl)),
  version: int,
});
export type SetAclRequest = Infer<typeof SetAclRequest>;

export const SyncRequest = record('SyncRequest', { path: nullable(ustring) });
export type SyncRequest = Infer<typeof SyncRequest>;
export const SyncResponse = record('SyncResponse', { path: nullable(ustring) });
export type SyncResponse = Infer<typeof SyncResponse>;

export const ReconfigRequest = record('ReconfigRequest', {
  joiningServers: nullable(ustring),
  leavingServers: nullable(ustring),
  newMembers: nullable(ustring),
  curConfigId: long,
});
export type ReconfigRequest = Infer<typeof ReconfigRequest>;

export const SetWatches = record('SetWatches', {
  relativeZxid: long,
  dataWatches: vector(ustring),
  existWatches: vector(ustring),
  childWatches: vector(ustring),
});
export type SetWatches = Infer<typeof SetWatches>;
export const SetWatches2 = record('SetWatches2', {
  relativeZxid: long,
  dataWatches: vector(ustring),
  existWatches: vector(ustring),
  childWatches: vector(ustring),
  persistentWatches: vector(ustring),
  persistentRecursiveWatches: vector(ustring),
});
export type SetWatches2 = Infer<typeof SetWatches2>;
export const AddWatchRequest = record('AddWatchRequest', { path: nullable(ustring), mode: int });
export type AddWatchRequest = Infer<typeof AddWatchRequest>;
/** checkWatches and removeWatches. */
export const WatchesRequest = record('CheckWatchesRequest', { path: nullable(ustring), type: int });
export type WatchesRequest = Infer<typeof WatchesRequest>;

export const GetEphemeralsRequest = record('GetEphemeralsRequest', { prefixPath: nullable(ustring) });
export type GetEphemeralsRequest = Infer<typeof GetEphemeralsRequest>;
export const GetEphemeralsResponse = record('GetEphemeralsResponse', { ephemerals: vector(ustring) });
export type GetEphemeralsResponse = Infer<typeof GetEphemeralsResponse>;
export const ClientInfo = record('ClientInfo', { authScheme: ustring, user: ustring });
export type ClientInfo = Infer<typeof ClientInfo>;
export const WhoAmIResponse = record('WhoAmIResponse', { clientInfo: vector(ClientInfo) });
export type WhoAmIResponse = Infer<typeof WhoAmIResponse>;

export type EncodableCreate2Response = Encodable<typeof Create2Response>;
