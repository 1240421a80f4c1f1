export { ACL, type EncodableStat, Id, Stat, StatPersisted } from './records/data.ts';
export * from './records/client.ts';
export * from './records/file.ts';
export * from './records/quorum.ts';
export * from './records/txn.ts';
export { aclEquals, OPEN_ACL, Perms, READ_ACL } from './acl.ts';
export {
  CONTAINER_OWNER,
  CREATE_MODE_MAX,
  CreateMode,
  isEphemeralMode,
  isSequentialMode,
  isTtlMode,
  type OwnerKind,
  type OwnerRules,
  ownerKind,
  TTL_MS_MAX,
  ttlOfOwner,
  ttlOwner,
} from './create-mode.ts';
export {
  type ErrorCode,
  ErrorNumber,
  type ErrorRow,
  errorCodeOf,
  errorTable,
  isZooKeeperError,
  ZooKeeperError,
} from './error-codes.ts';
export { FrameLengthError, FrameReader } from './frame.ts';
export { JuteError, type JuteErrorCode } from './jute/errors.ts';
export { decodeFields, encodeFields } from './jute/interpret.ts';
export { FIELD_LENGTH_BYTES_MAX_DEFAULT, JuteReader } from './jute/reader.ts';
export {
  boolean,
  buffer,
  type Encodable,
  type Fields,
  type FieldType,
  type Infer,
  int,
  long,
  nullable,
  type RecordType,
  record,
  ustring,
  vector,
} from './jute/schema.ts';
export { JuteWriter } from './jute/writer.ts';
export { OpCode, type OpCodeName, opCodeName, SpecialXid } from './opcodes.ts';
export { isValidPath, nodeName, parentPath, pathFault, sequenceSuffix } from './path.ts';
export { AddWatchMode, EventType, KeeperState, WatcherType } from './watch-event.ts';
export { counterOf, EPOCH_LIMIT, epochOf, makeZxid, zxidHex, zxidNumber } from './zxid.ts';
