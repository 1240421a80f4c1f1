/** The records in the specifications' own words: what is declared must read the same, field for field. */

import type { FieldType, RecordType } from '@treekeeper/protocol';
import * as protocol from '@treekeeper/protocol';
import { expect, test } from 'vitest';
import { declaredRecords } from '../support/arbitrary.ts';

/** A `?` marks what may be null. */
function spelled(type: FieldType): string {
  switch (type.kind) {
    case 'record':
      return type.name;
    case 'vector':
      return `${spelled(type.element)}[]${type.nullable ? '?' : ''}`;
    default:
      return `${type.kind}${type.nullable ? '?' : ''}`;
  }
}

function fieldsOf(type: RecordType): string {
  return Object.entries(type.fields)
    .map(([name, field]) => `${spelled(field)} ${name}`)
    .join(', ');
}

const stat =
  'long czxid, long mzxid, long ctime, long mtime, int version, int cversion, int aversion, long ephemeralOwner';
const watches = 'long relativeZxid, ustring[] dataWatches, ustring[] existWatches, ustring[] childWatches';
const create = 'ustring path, buffer? data, ACL[]? acl';
const createRequest = 'ustring? path, buffer? data, ACL[]? acl';
const notification = 'int state, long leader, long zxid, long round';

const layouts: Record<string, string> = {
  // client-protocol.md §1.4
  Id: 'ustring scheme, ustring id',
  ACL: 'int perms, Id id',
  Stat: `${stat}, int dataLength, int numChildren, long pzxid`,
  ConnectRequest: 'int protocolVersion, long lastZxidSeen, int timeOut, long sessionId, buffer? passwd',
  ConnectResponse: 'int protocolVersion, int timeOut, long sessionId, buffer passwd',
  RequestHeader: 'int xid, int type',
  ReplyHeader: 'int xid, long zxid, int err',
  MultiHeader: 'int type, boolean done, int err',
  WatcherEvent: 'int type, int state, ustring path',
  ErrorResult: 'int err',
  AuthPacket: 'int type, ustring? scheme, buffer? auth',
  ClientInfo: 'ustring authScheme, ustring user',
  EmptyRecord: '',
  // client-protocol.md §3.3
  RequestId: 'ustring? scheme, ustring? id',
  RequestAcl: 'int perms, Id id',
  CreateRequest: `${createRequest}, int flags`,
  CreateTtlRequest: `${createRequest}, int flags, long ttl`,
  CreateResponse: 'ustring path',
  Create2Response: 'ustring path, Stat stat',
  DeleteRequest: 'ustring path, int version',
  DeleteContainerRequest: 'ustring path',
  CheckVersionRequest: 'ustring path, int version',
  WatchedPathRequest: 'ustring path, boolean watch',
  PathRequest: 'ustring path',
  StatResponse: 'Stat stat',
  GetDataResponse: 'buffer? data, Stat stat',
  GetAclResponse: 'ACL[] acl, Stat stat',
  GetChildrenResponse: 'ustring[] children',
  GetChildren2Response: 'ustring[] children, Stat stat',
  GetAllChildrenNumberResponse: 'int totalNumber',
  SetDataRequest: 'ustring? path, buffer? data, int version',
  SetAclRequest: 'ustring? path, ACL[]? acl, int version',
  SyncRequest: 'ustring? path',
  SyncResponse: 'ustring? path',
  ReconfigRequest: 'ustring? joiningServers, ustring? leavingServers, ustring? newMembers, long curConfigId',
  SetWatches: watches,
  SetWatches2: `${watches}, ustring[] persistentWatches, ustring[] persistentRecursiveWatches`,
  AddWatchRequest: 'ustring? path, int mode',
  WatchesRequest: 'ustring? path, int type',
  GetEphemeralsRequest: 'ustring? prefixPath',
  GetEphemeralsResponse: 'ustring[] ephemerals',
  WhoAmIResponse: 'ClientInfo[] clientInfo',
  GetSaslRequest: 'buffer? token',
  SetSaslResponse: 'buffer? token',
  // disk-format.md §0, §2, §3.1
  StatPersisted: `${stat}, long pzxid`,
  FileHeader: 'int magic, int version, long dbid',
  LogRecordHeader: 'long adler32, int length',
  TxnHeader: 'long clientId, int cxid, long zxid, long time, int type',
  TxnDigest: 'int version, long treeDigest',
  CreateTxn: `${create}, boolean ephemeral, int parentCVersion`,
  CreateTxnV0: `${create}, boolean ephemeral`,
  CreateContainerTxn: `${create}, int parentCVersion`,
  CreateTtlTxn: `${create}, int parentCVersion, long ttl`,
  DeleteTxn: 'ustring path',
  SetDataTxn: 'ustring path, buffer? data, int version',
  SetAclTxn: 'ustring path, ACL[]? acl, int version',
  CheckVersionTxn: 'ustring path, int version',
  CreateSessionTxn: 'int timeOut',
  CloseSessionTxn: 'ustring[] paths2Delete',
  ErrorTxn: 'int err',
  SubTxn: 'int type, buffer data',
  MultiTxn: 'Txn[] txns',
  SnapshotSession: 'long id, int timeoutMs',
  SnapshotAcl: 'long id, ACL[] acl',
  SnapshotNode: 'buffer? data, long aclId, StatPersisted stat',
  Seal: 'long adler32, ustring end',
  SnapshotDigest: 'long zxid, int version, long digest',
  SnapshotDigestV1: 'long zxid, int version, ustring digest',
  // quorum-protocol.md §0, §2, §3, §5.1, §7
  QuorumPacket: 'int type, long zxid, buffer? data, Id[]? authinfo',
  LearnerInfo: 'long serverId, int protocolVersion, long configVersion',
  LeaderInfo: 'int protocolVersion',
  AckEpoch: 'int currentEpoch',
  ForwardedRequest: 'long sessionId, int cxid, int type',
  RevalidateRequest: 'long sessionId, int timeoutMs',
  RevalidateResponse: 'long sessionId, boolean valid',
  SessionTouch: 'long sessionId, int timeoutMs',
  DesignatedLeader: 'long serverId',
  QuorumAuthPacket: 'long magic, int status, buffer? token',
  Init: 'long protocolVersion, long serverId, ustring addresses',
  NotificationV33: notification,
  NotificationV34: `${notification}, long peerEpoch, int version`,
  Notification: `${notification}, long peerEpoch, int version, ustring config`,
};

test('every declared record is as the specifications have it', () => {
  const declared = Object.fromEntries(declaredRecords.map(([name, type]) => [name, fieldsOf(type)]));
  expect(declared).toEqual(layouts);
});

test('records that only look alike are told apart by name', () => {
  expect([protocol.RequestAcl.fields['id'], protocol.ACL.fields['id']]).toEqual([protocol.RequestId, protocol.Id]);
});
