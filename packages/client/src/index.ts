/** @treekeeper/client: what programs import. */
export { OPEN_ACL, Perms, READ_ACL } from '@treekeeper/protocol';
export { CREATOR_ALL_ACL, digestId } from './acl.ts';
export { ChildrenCache } from './caches/children-cache.ts';
export { NodeCache } from './caches/node-cache.ts';
export { TreeCache } from './caches/tree-cache.ts';
export type { Cache, CacheChange, CacheOptions } from './caches/types.ts';
export type { Client } from './client.ts';
export { bytes, type Codec, json, nullableBytes, utf8 } from './codec.ts';
export { connect } from './connect.ts';
export type { EventMessage, OperationMessage, OperationStartMessage, StateMessage } from './diagnostics.ts';
export {
  type ErrorDetails,
  isTreekeeperError,
  type RetryAdvice,
  TreekeeperError,
  type TreekeeperErrorCode,
} from './errors.ts';
export { type FourLetterOptions, fourLetterWord } from './four-letter.ts';
export { type GzipOptions, gzip } from './gzip.ts';
export { nodeResolver, nodeTransport } from './node-transport.ts';
export type { AuthEntry, ConnectOptions, DigestMd5Options, GssapiOptions, SessionCredentials } from './options.ts';
export type { SchemaIssue, SchemaResult, StandardSchema } from './standard-schema.ts';
export type { TlsSettings } from './tls.ts';
export type {
  Transaction,
  TransactionChecked,
  TransactionCreated,
  TransactionDeleted,
  TransactionResult,
  TransactionSet,
} from './transaction-types.ts';
export type {
  Resolver,
  SrvRecord,
  SrvResolver,
  Transport,
  TransportConnection,
  TransportEvents,
  TransportTarget,
} from './transport.ts';
export type {
  ACL,
  CallOptions,
  ChildrenWithStat,
  ClientInfo,
  CloseOptions,
  CreatedNode,
  CreateModeName,
  CreateOptions,
  DeleteOptions,
  EnsembleConfig,
  GetOptions,
  NewNodeOptions,
  NodeAcl,
  NodeValue,
  ReadRequest,
  ReadResult,
  ReconfigOptions,
  RetryPolicy,
  SessionState,
  SetOptions,
  Stat,
  StatesOptions,
  Watch,
  WatchableOptions,
  WatchEvent,
  WatchEventType,
  WatchKind,
  WatchListener,
  WatchOptions,
} from './types.ts';
