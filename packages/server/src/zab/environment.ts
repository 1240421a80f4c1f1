/**
 * What Zab asks of the server around it. Plain calls, no promise and no callback: everything that takes time is
 * answered by a call to the Peer in a later turn, never from inside the call. Payloads are opaque: Zab does not know
 * what a znode is. Payloads handed out here never change afterwards: whoever wants to may keep them.
 */
import type { Log } from '../io/log.ts';
import type { Link, Peers } from '../io/peers.ts';
import type { Random } from '../io/random.ts';
import type { Configuration } from './configuration.ts';
import type { Tallies } from './tallies.ts';

export type EpochName = 'acceptedEpoch' | 'currentEpoch';

/** A transaction of the history: `payload` is header, txn and digest, as in the log and in PROPOSAL. */
export interface Entry {
  readonly zxid: number;
  readonly payload: Uint8Array;
}

/** A snapshot on its way out, cut into slices so that no turn takes long. */
export interface SnapshotOutgoing {
  /** The last transaction applied when it was begun: the zxid of the SNAP packet. */
  readonly zxid: number;
  /** The next bytes of the stream (§5.6), the closing text not included; null: that was all. They are Zab's to keep. */
  next(): Uint8Array | null;
  /** No more is wanted. Called once, also after the last slice. */
  end(): void;
}

/** A snapshot on its way in. The database of before is gone from memory when it is begun. */
export interface SnapshotIncoming {
  /**
   * Takes the stream's bytes from `start`, through the closing text. Returns the offset behind the last byte taken;
   * `done` is true when the closing text has been taken. Keeps what it needs of a record that is not whole. Throws
   * JuteError when the stream is malformed.
   */
  take(bytes: Uint8Array, start: number): number;
  readonly done: boolean;
}

/** Transactions read from the log on disk, oldest first. */
export interface LogWalk {
  /** The next one; null: that was all there is. */
  next(): Entry | null;
}

/** A client's write, sync or session creation, as a learner forwards it (§7.1). */
export interface Forwarded {
  readonly sessionId: bigint;
  readonly cxid: number;
  readonly type: number;
  /** The client's request body, without its header. */
  readonly body: Uint8Array;
  readonly authinfo: readonly { readonly scheme: string; readonly id: string }[] | null;
}

/** The database, the log and the epoch files, as Zab sees them. */
export interface Database {
  /** The last transaction in memory: equal to the log's end whenever a role begins (§6.4). */
  readonly lastZxid: number;
  /** Memory has transactions that were never logged: this server was an observer that keeps no log (syncEnabled). */
  readonly isUnlogged: boolean;
  /** Of the epoch files, as of the last `persistEpoch` that is durable. */
  readonly acceptedEpoch: number;
  readonly currentEpoch: number;
  /**
   * Why this server does not have what it once acknowledged; null: it has. Until a leader's snapshot has taken its
   * place, such a server has no say in who leads (docs/decisions/0017-damaged-members.md).
   */
  readonly damage: string | null;
  /** A majority has another tree: what is here counts as damaged from now on. */
  condemn(reason: string): void;
  /** Replaces an epoch file; `Peer.epochPersisted` follows when it is durable. */
  persistEpoch(name: EpochName, epoch: number): void;

  /** Appends to the log, in zxid order; `Peer.logSynced` follows. The payload is copied. */
  append(zxid: number, payload: Uint8Array): void;
  /**
   * While catching up with a leader, before clients are served: applies a transaction to memory at once, idempotently,
   * for its effect may be there already (fuzzy snapshots). Afterwards transactions come by way of Service. Throws
   * JuteError, with nothing applied, when the payload is not this transaction.
   */
  apply(zxid: number, payload: Uint8Array): void;
  /**
   * Everything in memory is written as a snapshot and made durable; `Peer.snapshotWritten` follows. After an incoming
   * snapshot it takes the place of all the history on disk: whatever else lies there with a higher zxid is void.
   */
  writeSnapshot(): void;
  /**
   * Removes everything after `zxid` from the log and loads memory from disk again; `Peer.truncated(true)` follows. When
   * the log does not reach back to `zxid` (what is beyond came in a snapshot), nothing is removed, and
   * `Peer.truncated(false)` follows: the server will ask for a snapshot.
   */
  truncate(zxid: number): void;
  /** Drops the database from memory and takes a new one from the stream. */
  beginIncoming(): SnapshotIncoming;
  /** The incoming snapshot is whole: memory is at `zxid` now. */
  endIncoming(zxid: number): void;
  beginOutgoing(): SnapshotOutgoing;

  /**
   * Reads the log on disk from the last record at or before `zxid` on; null when there is no such record, when the log
   * is not provably contiguous from there on, or when it is larger than `bytesMax` in all the files after the first.
   */
  readLog(zxid: number, bytesMax: number): LogWalk | null;
  /** Of the newest snapshot file; for the size limit of `readLog`. */
  readonly snapshotSizeBytes: number;
}

/** Where the clients of sessions are, among the observers that this server feeds, and itself. */
export interface SessionHomes {
  /** Its client has come there, and the leader is being asked about it. One that is not known is passed over. */
  claim(home: object, sessionId: bigint): void;
  /** By the leader's word its client is there. */
  moveTo(home: object, sessionId: bigint, timeoutMs: number): void;
  /** Whether somebody speaks for it who has lost it: it has gone on at another place since. */
  isElsewhere(home: object, sessionId: bigint): boolean;
}

/** What a leader or a learner has the rest of the replica do. */
export interface Service {
  /** This server leads `epoch` from now on, by `Peer.leader`: it takes clients, prepares and proposes. */
  lead(epoch: number): void;
  /** This server follows or observes, by `Peer.learner`, and is in step: it takes clients. */
  follow(): void;
  /**
   * Back to looking for a leader: clients are cut off, nothing more is proposed. Called at the end of every role, also
   * of one that never served. `Peer.settled` follows when nothing that Zab asked for is under way any more, the log is
   * on disk, and memory holds exactly what the log does, committed or not (§6.4). With `reload`, memory holds what
   * never got to disk and must be loaded from there.
   */
  cease(reload: boolean): void;

  /**
   * Learner: a transaction that may be committed later. In zxid order. Throws JuteError, with nothing taken, when the
   * payload is not this transaction: it does not get into the log then.
   */
  proposed(zxid: number, payload: Uint8Array): void;
  /** Learner: everything proposed through `zxid` is committed: it is to be applied, in order, and answered. */
  committed(zxid: number): void;

  /** Learner: the configuration that a transaction carries (§9.2); null: it is another transaction. Asked of each. */
  configurationIn(payload: Uint8Array): Configuration | null;

  /** Leader: a request of a learner's client, syncs included (which go to `Leadership.sync` in their turn). */
  forwarded(from: LearnerId, request: Forwarded): void;
  /**
   * Leader: a learner's client wants to go on with this session; true when it may. Moves its ownership. `isSure`: this
   * server certainly leads, and when it may not, the client is told that the session is gone.
   */
  revalidate(from: LearnerId, sessionId: bigint, timeoutMs: number, isSure: boolean): boolean;
  /** Leader: a session has shown life at a learner. */
  touched(sessionId: bigint, timeoutMs: number): void;
  /** Learner: sessions that have shown life here since this was last asked, for the answer to a PING. */
  takeTouched(): Iterable<readonly [sessionId: bigint, timeoutMs: number]>;
  /** Learner: the leader's answer to the oldest REVALIDATE of this session. */
  revalidated(sessionId: bigint, valid: boolean): void;
  /** Learner: a session goes on at an observer that this server feeds; whoever is connected with it here is cut off. */
  takenElsewhere(sessionId: bigint): void;
  /** Learner: at which of the observers that this server feeds sessions are. */
  readonly homes: SessionHomes;
  /**
   * The oldest sync of this server's own clients is done: what was committed when it was asked for is committed here.
   */
  syncDone(): void;

  /** A configuration is in force (§9.4): shown in /zookeeper/config, and written to the configuration files. */
  configured(configuration: Configuration): void;
  /**
   * A configuration has been proposed, and may come into force (`.dynamic.next`). The one in force: nothing else is
   * proposed any more.
   */
  configProposed(configuration: Configuration): void;
}

/** A learner's link at its leader: what requests and sessions remember as their origin. The same object each time. */
export interface LearnerId {
  readonly serverId: number;
  readonly link: Link;
}

/** All of it. */
export interface Environment {
  readonly database: Database;
  readonly service: Service;
  readonly peers: Peers;
  readonly random: Random;
  readonly log: Log;
  readonly tallies: Tallies;
}
