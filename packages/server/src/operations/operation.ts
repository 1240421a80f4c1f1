/**
 * The shape of an operation: one file, one row of the table (index.ts). A read answers from the tree; a write is
 * prepared against what the tree will be (checks, then a transaction), ordered and logged elsewhere, and applied.
 */
import type {
  ACL,
  EncodableStat,
  Id,
  JuteReader,
  JuteWriter,
  OpCodeName,
  ReconfigRequest,
  RecordType,
  RequestAcl,
} from '@treekeeper/protocol';
import type { SessionTable } from '../sessions/session-table.ts';
import type { DataTree } from '../tree/data-tree.ts';
import type { WatchTable } from '../watches/watch-table.ts';

/** Who asks: the identities and the session are those of the moment at which the request was read. */
export interface Requester {
  readonly sessionId: bigint;
  readonly identities: readonly Id[];
  /** What watches are registered for: the connection, not the session. */
  readonly watcher: Watcher;
}

/** A client connection as the watch table knows it. */
export interface Watcher {
  readonly sessionId: bigint;
  readonly identities: readonly Id[];
  /** Puts a watch event into the connection's output. zxid −1: unknown (events made up by setWatches). */
  sendEvent(type: number, path: string, zxid: number): void;
}

/** The rules of access, as auth/ builds them from the configuration. */
export interface AccessControl {
  /** Writes are refused before they are ordered where the applied tree says so (§8.8). */
  readonly eager: boolean;
  /** Whether one of the identities has one of the permission bits. */
  permits(acl: readonly ACL[], perms: number, identities: readonly Id[]): boolean;
  /** A requested list made ready to be stored, or an error number (client-protocol.md §8.3). */
  fixAcl(acl: readonly RequestAcl[] | null, identities: readonly Id[]): ACL[] | number;
  /** The list as a reader without ADMIN may see it (§8.4). */
  maskAcl(acl: readonly ACL[]): ACL[];
}

/** Settings that operations depend on. */
export interface OperationRules {
  readonly extendedTypesEnabled: boolean;
  readonly enforceQuota: boolean;
  readonly reconfigEnabled: boolean;
  readonly localSessionsUpgradingEnabled: boolean;
  readonly closeSessionTxnEnabled: boolean;
}

/** The three tables, and the rules. */
export interface World {
  readonly tree: DataTree;
  readonly watches: WatchTable<Watcher>;
  readonly sessions: SessionTable;
  readonly access: AccessControl;
  readonly rules: OperationRules;
}

export interface ReadOperation<Request = unknown> {
  readonly kind: 'read';
  readonly name: OpCodeName;
  readonly opcode: number;
  /** Usually a record; multiRead has its own decoder. */
  readonly request: { decode(reader: JuteReader): Request };
  /** It sends events to the requester and has no body (setWatches). */
  readonly sendsEvents?: boolean;
  /** About what the answer would take now, if that may be much: asked when the request has to wait for its turn. */
  replyBytes?(world: World, request: Request): number;
  /** Writes the reply's body, or returns an error number (the body is then dropped). Sets the watch asked for. */
  answer(world: World, requester: Requester, request: Request, reply: JuteWriter): number;
}

/** A kind of transaction: how it is encoded, and what it does to the tables. */
export interface TxnKind<Value = unknown> {
  readonly type: number;
  readonly record: RecordType<Value>;
  /** Used live and in replay alike (disk-format.md §3.6). Returns 0 or an error number, which replay ignores. */
  apply(world: World, value: Value, context: TxnContext): number;
}

/** What a transaction's header says. */
export interface TxnContext {
  readonly sessionId: bigint;
  readonly zxid: number;
  readonly timeMs: number;
}

export interface Txn<Value = unknown> {
  readonly kind: TxnKind<Value>;
  readonly value: Value;
}

export interface WriteOperation<Request = unknown> {
  readonly kind: 'write';
  readonly name: OpCodeName;
  readonly opcode: number;
  /** Usually a record; multi has its own decoder. */
  readonly request: { decode(reader: JuteReader): Request };
  /** A body that does not decode consumes a zxid only where this says so (multi). */
  readonly malformedConsumesZxid?: boolean;
  /** Whether the request would give the session an ephemeral node: a local session must become a global one first. */
  createsEphemeral?(request: Request): boolean;
  /** The access check that may come before (§8.8): 0, or NO_AUTH or INVALID_ACL. */
  eagerAclCheck?(world: World, identities: readonly Id[], request: Request): number;
  /** Checks the request in ZooKeeper's order and makes the transaction, or returns an error number. */
  prepare(preparation: Preparation, request: Request): Txn | number;
  /** Writes the reply's body after the transaction has been applied. */
  reply(world: World, txn: Txn, reply: JuteWriter): void;
}

export type Operation = ReadOperation | WriteOperation;

/**
 * A node as it will be when everything proposed so far has been applied. It holds until the preparation ends, and is
 * changed only between `edit` (or `add`) and `put`: a write that made a new object for each change would be bound by that.
 */
export interface PendingNode {
  readonly path: string;
  readonly exists: boolean;
  czxid: number;
  mzxid: number;
  pzxid: number;
  ctimeMs: number;
  mtimeMs: number;
  version: number;
  /** Creations below the node, as stored. */
  cversion: number;
  aversion: number;
  owner: bigint;
  childCount: number;
  acl: readonly ACL[];
  dataLength: number;
  /** CRC-32 of path and data: the part of the node's digest that stat changes leave alone. */
  contentCrc: number;
}

/** The members of the ensemble, as its leader may change them (quorum-protocol.md §9.1). */
export interface Reconfiguration {
  /** The text of the configuration that is asked for, with `zxid` as its version; or an error number. */
  next(request: ReconfigRequest, zxid: number): string | number;
}

/** What `prepare` works against: the tree plus everything proposed and not yet applied. */
export interface Preparation {
  readonly world: World;
  readonly sessionId: bigint;
  readonly identities: readonly Id[];
  /** Of the transaction in the making. */
  readonly zxid: number;
  readonly timeMs: number;
  /** A longer one could not be read back by every server (client-protocol.md §1.3). */
  readonly txnBytesMax: number;
  /** Null: a standalone server, which has no members to change. */
  readonly reconfiguration: Reconfiguration | null;
  /** The node at a path, null when it will be missing. */
  node(path: string): PendingNode | null;
  /** Says that a node is going to be changed; `put` must follow before any other change. */
  edit(node: PendingNode): PendingNode;
  /**
   * A node that this transaction creates, where there will be none: owner, ACL, data length and `contentCrc` are to be
   * filled in, and `put` must follow.
   */
  add(path: string): PendingNode;
  /** The node edited or added last is as it will be. */
  put(node: PendingNode): void;
  remove(node: PendingNode): void;
  /**
   * Removes the node at a path, if it will be there, and leaves its parent to the caller. Nothing of this transaction
   * can be rolled back any more: a session that ends may own very many nodes, and what they were is not remembered.
   */
  discard(path: string): boolean;
  /** CRC-32 of path and data, for a new `contentCrc`, from that of the data. */
  contentCrc(path: string, dataCrc: number, dataLength: number): number;
  /** The session's ephemerals as they will be. */
  ephemeralsOf(sessionId: bigint): string[];
  /** Undoes everything put and removed since `mark` was taken. */
  mark(): number;
  rollback(mark: number): void;
}

export type { EncodableStat };
