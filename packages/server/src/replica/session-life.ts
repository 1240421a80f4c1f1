/**
 * Sessions from the handshake to the end: begun, resumed, kept alive, upgraded, expired (client-protocol.md §2, §10).
 */
import { OpCode } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import type { Clock } from '../io/clock.ts';
import type { Log } from '../io/log.ts';
import { closeSession } from '../operations/session.ts';
import { type ExpiryBucket, ExpiryQueue } from '../sessions/expiry.ts';
import type { Session, SessionIds, SessionTable } from '../sessions/session-table.ts';
import { type ClientConnection, PauseReason } from './client-connection.ts';
import type { ConnectionThrottle } from './connection-throttle.ts';
import type { Instruments } from './instruments.ts';
import type { ReplicaOptions } from './options.ts';
import type { InFlight, OrderSource } from './order.ts';

/** What the life of sessions needs of the rest of the replica. */
export interface SessionPorts {
  readonly sessions: SessionTable<ClientConnection>;
  readonly writes: OrderSource;
  readonly ids: SessionIds;
  /** Global sessions are another server's to expire (the leader's): it is told which ones have shown life here. */
  readonly reportsTouches: boolean;
  /** There is no quorum: all new sessions are local, and none of the others ends. */
  readonly isReadOnly: boolean;
  readonly throttle: ConnectionThrottle;
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
  /** Tells the client its session. */
  opened(client: ClientConnection, sessionId: bigint, timeoutMs: number): void;
  /** The connection has a session, or will get one. */
  shookHands(client: ClientConnection): void;
  close(client: ClientConnection): void;
  pause(client: ClientConnection, reason: number): void;
  resume(client: ClientConnection, reason: number): void;
  /** The log takes nothing for now (full disk). */
  writesRefused(): boolean;
}

/** What comes of ending a session by command. */
export type Closing =
  /** Its end is on the way; a local one is over already. */
  | 'begun'
  | 'unknown'
  /** It is local and about to become global: its end can be neither this server's nor, yet, the leader's. */
  | 'upgrading'
  /** Ending it is a write, and there are none without a quorum. */
  | 'noQuorum'
  /** Ending it is a write, and the log takes none for now. */
  | 'diskFull';

/** With so many changes of the tree on their way, no further session is ended. */
const CHANGES_IN_FLIGHT_MAX = 5000;

export class SessionLife {
  readonly #options: ReplicaOptions;
  readonly #ports: SessionPorts;
  readonly #expiry: ExpiryQueue<Session<ClientConnection>>;
  /** Global sessions that have shown life here since the leader was told last. */
  #touched = new Set<Session<ClientConnection>>();

  constructor(options: ReplicaOptions, ports: SessionPorts) {
    const { clock, sessions } = ports;
    this.#options = options;
    this.#ports = ports;
    this.#expiry = new ExpiryQueue(options.tickTimeMs);
    if (!ports.reportsTouches && !ports.isReadOnly) {
      for (const session of sessions.values()) {
        this.#expiry.touch(session, clock.nowMs, session.timeoutMs); // everyone gets a full timeout after a restart
      }
    }
  }

  /** Global sessions that have shown life here since this was last asked, and their timeouts in ms. */
  takeTouched(): [sessionId: bigint, timeoutMs: number][] {
    const touched = [...this.#touched].map(({ id, timeoutMs }): [bigint, number] => [id, timeoutMs]);
    this.#touched.clear();
    return touched;
  }

  /** A session of another server's client has shown life there. */
  touchedElsewhere(sessionId: bigint, timeoutMs: number): void {
    const session = this.#ports.sessions.get(sessionId);
    if (session !== undefined && !session.closing && !session.opening) {
      this.#expiry.touch(session, this.#ports.clock.nowMs, timeoutMs);
    }
  }

  #alive(session: Session<ClientConnection>): void {
    if (this.#ports.reportsTouches && !session.local) {
      this.#touched.add(session);
    } else {
      this.#expiry.touch(session, this.#ports.clock.nowMs, session.timeoutMs);
    }
  }

  /** By the time at which they expire, soonest first. */
  buckets(): readonly ExpiryBucket<Session<ClientConnection>>[] {
    return this.#expiry.buckets();
  }

  /** The connection is gone; its session lives on until it expires. */
  disconnected(client: ClientConnection): void {
    const { session } = client;
    if (session?.owner === client) {
      session.owner = null;
      if (!session.closing) {
        this.#ports.instruments.metrics.connection_drop_count.add(1);
      }
    }
  }

  /** Whether the connection throttle lets a handshake through; session 0 asks for a new one. */
  admit(sessionId: bigint): boolean {
    const { clock, instruments, throttle } = this.#ports;
    const { metrics } = instruments;
    metrics.connection_request_count.add(1);
    const kind = sessionId !== 0n ? 'renew' : this.#options.localSessionsEnabled ? 'local' : 'global';
    const admitted = throttle.admit(kind, clock.nowMs);
    metrics.connection_token_deficit.add(throttle.deficit);
    if (!admitted) {
      metrics.connection_rejected.add(1);
    }
    return admitted;
  }

  /** Starts a session; `applied` follows when its transaction has been applied. */
  begin(client: ClientConnection, timeoutMs: number): void {
    const { sessions, writes, ids } = this.#ports;
    if (this.#ports.writesRefused() && !this.#ports.isReadOnly) {
      this.#ports.close(client); // no session can be logged now; the client tries again
      return;
    }
    const sessionId = ids.next((id) => sessions.get(id) !== undefined);
    client.sessionId = sessionId;
    client.phase = 'opening';
    this.#ports.shookHands(client);
    this.#ports.instruments.operations.record(OpCode.createSession);
    if (this.#options.localSessionsEnabled || this.#ports.isReadOnly) {
      const session = sessions.openLocal(sessionId, timeoutMs);
      this.attach(client, session, timeoutMs);
      this.#ports.opened(client, sessionId, timeoutMs);
      return;
    }
    this.#ports.pause(client, PauseReason.opening); // what is pipelined behind the handshake waits for its answer
    writes.openSession(sessionId, timeoutMs, client);
  }

  /** A createSession has been applied. */
  applied(entry: InFlight): void {
    const session = this.#ports.sessions.get(entry.sessionId);
    assert(session !== undefined, 'a session exists once its transaction is applied');
    const { client } = entry;
    if (this.#ports.reportsTouches) {
      this.#expiry.remove(session); // it was a local one until now
    }
    this.#alive(session);
    if (client === null || client.gone) {
      return;
    }
    this.attach(client, session, session.timeoutMs);
    this.#ports.opened(client, session.id, session.timeoutMs);
    this.#ports.resume(client, PauseReason.opening);
  }

  /** The session is this connection's from now on. */
  attach(client: ClientConnection, session: Session<ClientConnection>, timeoutMs: number): void {
    this.#ports.shookHands(client);
    session.timeoutMs = timeoutMs;
    client.session = session;
    client.sessionId = session.id;
    session.owner = client;
    this.#alive(session);
  }

  /** The session has shown life. */
  touch(client: ClientConnection): void {
    const { session } = client;
    if (session !== null && !session.closing) {
      this.#alive(session);
    }
  }

  /** A local session is to own ephemerals: where that is allowed, it becomes a global one first (§2.7). */
  upgrade(session: Session): void {
    if (this.#options.rules.localSessionsUpgradingEnabled) {
      session.upgrading = true;
      this.#ports.writes.openSession(session.id, session.timeoutMs, null);
    }
  }

  /**
   * Ends the sessions whose time is over; not all of them in this turn if they own very many nodes: that would stop
   * everything else for seconds. Until it is its turn, one that shows life lives on.
   */
  expireSessions(nowMs: number): void {
    while (this.#ports.writes.changesInFlight < CHANGES_IN_FLIGHT_MAX) {
      const session = this.#expiry.takeNextExpired(nowMs);
      if (session === undefined) {
        return;
      }
      this.#expire(session);
    }
  }

  /** Ends a session as if its time were over; false when there is none of this id. */
  expireNow(id: bigint): boolean {
    const session = this.#ports.sessions.get(id);
    if (session === undefined) {
      return false;
    }
    this.#expire(session);
    return true;
  }

  /** Ends a session because an operator says so, whether its client is connected or not, and to whichever server. */
  closeNow(id: bigint): Closing {
    const { sessions, isReadOnly, writesRefused, log } = this.#ports;
    const session = sessions.get(id);
    if (session === undefined) {
      return 'unknown';
    }
    if (session.closing) {
      return 'begun';
    }
    if (!session.isOnlyHere) {
      if (isReadOnly) {
        return 'noQuorum';
      }
      if (this.#isLeaders(session)) {
        return 'upgrading';
      }
      if (writesRefused()) {
        return 'diskFull';
      }
    }
    log.info(`session ${sessionText(session)} is closed by command`);
    this.#end(session);
    return 'begun';
  }

  #expire(session: Session<ClientConnection>): void {
    if (session.closing || this.#isLeaders(session)) {
      return;
    }
    const { log, instruments } = this.#ports;
    log.info(`session ${sessionText(session)} has expired`);
    instruments.metrics.stale_sessions_expired.add(1);
    this.#end(session);
  }

  /** The leader was asked to have it, and expires it itself. */
  #isLeaders(session: Session): boolean {
    return session.upgrading && this.#ports.reportsTouches;
  }

  #end(session: Session<ClientConnection>): void {
    if (session.isOnlyHere) {
      this.endLocal(session);
      return;
    }
    const { instruments, writes } = this.#ports;
    instruments.operations.record(OpCode.closeSession);
    writes.submit(closeSession, {}, session.id, [], null, 0, null);
  }

  /** A closeSession has been applied. `client`: who asked for it; null when it had expired. */
  closed(session: Session<ClientConnection>, client: ClientConnection | null): void {
    this.#expiry.remove(session);
    this.#touched.delete(session);
    // Who closed it gets the answer first; who let it expire is cut off.
    if (client === null && session.owner !== null) {
      this.#ports.close(session.owner);
    }
  }

  /**
   * Leader: a client is told that this session is gone. Nothing more is done for it, wherever a request of it may still
   * come from.
   */
  gone(sessionId: bigint): void {
    const { sessions } = this.#ports;
    const session = sessions.get(sessionId);
    if (session === undefined) {
      sessions.foreign?.ended(sessionId);
    } else if (session.isOnlyHere) {
      this.endLocal(session);
    }
  }

  /** A local session ends, and its client is cut off. */
  endLocal(session: Session<ClientConnection>): void {
    this.closeLocal(session);
    if (session.owner !== null) {
      this.#ports.close(session.owner);
    }
  }

  /** A local session ends without a transaction: no other server knows of it, and it owns nothing in the tree. */
  closeLocal(session: Session<ClientConnection>): void {
    this.#ports.sessions.close(session.id);
    this.#expiry.remove(session);
  }
}

function sessionText({ id }: Session): string {
  return `0x${BigInt.asUintN(64, id).toString(16)}`;
}
