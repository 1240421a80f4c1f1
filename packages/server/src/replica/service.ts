/**
 * What serves clients: handshakes, requests, sessions, the order of writes, and the application of what is committed.
 * It exists while this server serves, and is bound to one world (tree, watches, sessions) and one source of order.
 */
import { ErrorNumber, OpCode } from '@treekeeper/protocol';
import type { Credentials } from '../auth/credentials.ts';
import type { Clock } from '../io/clock.ts';
import type { Log } from '../io/log.ts';
import { deleteContainer } from '../operations/delete.ts';
import { errorOf } from '../operations/multi.ts';
import type { Txn, World } from '../operations/operation.ts';
import type { ExpiryBucket } from '../sessions/expiry.ts';
import type { Session, SessionIds, SessionTable } from '../sessions/session-table.ts';
import type { WriteAudit } from './audit.ts';
import { type ClientConnection, PauseReason } from './client-connection.ts';
import type { ConnectionThrottle } from './connection-throttle.ts';
import type { ConnectionService, Connections } from './connections.ts';
import type { Digests } from './digests.ts';
import type { Forwarding } from './forwarding.ts';
import { Handshake } from './handshake.ts';
import type { Instruments } from './instruments.ts';
import type { Leading } from './leading.ts';
import type { NoOrder } from './no-order.ts';
import type { ReplicaOptions } from './options.ts';
import type { InFlight, OrderSource } from './order.ts';
import type { Outputs } from './output.ts';
import { Reaper } from './reaper.ts';
import { Requests } from './requests.ts';
import { Revalidations } from './revalidations.ts';
import { SessionLife } from './session-life.ts';
import type { WatchEvents } from './watch-events.ts';

/** The tables, with connections as the owners of sessions. */
export interface ReplicaWorld extends World {
  readonly sessions: SessionTable<ClientConnection>;
}

/** Where a service gets the order of writes from, and what else depends on that. */
export type Role =
  | { readonly kind: 'standalone'; readonly order: OrderSource }
  | { readonly kind: 'leader'; readonly order: Leading; diverged(zxid: number): void }
  /** Without a quorum: nothing is written, and sessions are this server's own. */
  | { readonly kind: 'read-only'; readonly order: NoOrder }
  /** Follower or observer; `revalidate` asks the leader whether a session is alive. */
  | {
      readonly kind: 'learner';
      readonly order: Forwarding;
      revalidate(sessionId: bigint, timeoutMs: number): void;
      /** The tree is not the leader's (of a leader: not the one it has promised). */
      diverged(zxid: number): void;
    };

/** The parts of the replica that outlive a service. */
export interface ServiceParts {
  readonly options: ReplicaOptions;
  readonly clock: Clock;
  readonly log: Log;
  readonly credentials: Credentials;
  /** Null: no audit log. */
  readonly audit: WriteAudit | null;
  readonly instruments: Instruments;
  readonly outputs: Outputs;
  readonly connections: Connections;
  readonly events: WatchEvents;
  readonly digests: Digests;
  readonly throttle: ConnectionThrottle;
  readonly sessionIds: SessionIds;
  /** The log takes nothing for now (full disk). */
  writesRefused(): boolean;
}

/** Its session is over, whatever this server knows of it. */
function isRefusedAsOver(txn: Txn): boolean {
  return errorOf(txn) === ErrorNumber.SESSION_EXPIRED;
}

const QUOTA_WARNING_INTERVAL_MS = 10_000;
const NOT_THE_PREDICTED = 'the one predicted for it: please report this';
const NOT_THE_LEADERS = "the leader's";

export class Service implements ConnectionService {
  readonly requests: Requests;
  readonly handshake: Handshake;
  readonly sessions: SessionLife;
  readonly role: Role;
  readonly #parts: ServiceParts;
  readonly #world: ReplicaWorld;
  readonly #order: OrderSource;
  /** Null: another server removes what is due. */
  readonly #reaper: Reaper | null;
  readonly #revalidations: Revalidations | null;
  #syncsDone = false;
  #nextQuotaWarningMs = 0;

  constructor(parts: ServiceParts, world: ReplicaWorld, role: Role) {
    this.role = role;
    this.#parts = parts;
    this.#world = world;
    this.#order = role.order;
    this.#reaper = role.kind === 'learner' || role.kind === 'read-only' ? null : this.#newReaper();
    this.sessions = this.#newSessionLife();
    this.requests = this.#newRequests();
    this.handshake = this.#newHandshake();
    this.#revalidations = role.kind === 'learner' ? this.#newRevalidations(role.revalidate) : null;
  }

  #newReaper(): Reaper {
    const { options, clock, instruments } = this.#parts;
    return new Reaper(this.#world.tree, options.reaper, clock.nowMs, (path, isTtl) => {
      instruments.reaped(isTtl);
      this.#order.submit(deleteContainer, { path }, 0n, [], null, 0, null);
    });
  }

  readonly #connectionPorts = {
    close: (client: ClientConnection): void => this.#parts.connections.close(client),
    pause: (client: ClientConnection, reason: number): void => this.#parts.connections.pause(client, reason),
    resume: (client: ClientConnection, reason: number): void => this.#parts.connections.resume(client, reason),
  };

  #newSessionLife(): SessionLife {
    const { options, connections, sessionIds, throttle, clock, log, instruments, writesRefused } = this.#parts;
    return new SessionLife(options, {
      ...this.#connectionPorts,
      sessions: this.#world.sessions,
      writes: this.#order,
      ids: sessionIds,
      reportsTouches: this.role.kind === 'learner',
      isReadOnly: this.role.kind === 'read-only',
      throttle,
      clock,
      log,
      instruments,
      opened: (client, sessionId, timeoutMs) => this.handshake.opened(client, sessionId, timeoutMs),
      shookHands: (client) => connections.shookHands(client),
      writesRefused,
    });
  }

  #newRequests(): Requests {
    const { options, outputs, clock, log, credentials, instruments, writesRefused } = this.#parts;
    return new Requests(
      {
        ...this.#connectionPorts,
        world: this.#world,
        writes: this.#order,
        outputs,
        clock,
        instruments,
        credentials,
        log,
        touch: (client) => this.sessions.touch(client),
        upgradeSession: (session) => this.sessions.upgrade(session),
        closeLocalSession: (session) => this.sessions.closeLocal(session),
        writesRefused,
        isReadOnly: this.role.kind === 'read-only',
        replyBytesPause: options.unsentBytesPause,
      },
      options.requests,
    );
  }

  #newHandshake(): Handshake {
    const { role } = this;
    return new Handshake({
      sessions: this.#world.sessions,
      outputs: this.#parts.outputs,
      timeouts: this.#parts.options,
      isReadOnly: role.kind === 'read-only',
      lastZxid: () => this.#world.tree.lastZxid,
      admit: (sessionId) => this.sessions.admit(sessionId),
      begin: (client, timeoutMs) => this.sessions.begin(client, timeoutMs),
      resumes: () => this.#parts.instruments.metrics.connection_revalidate_count.add(1),
      attach: (client, session, timeoutMs) => {
        this.sessions.attach(client, session, timeoutMs);
        if (role.kind === 'leader') {
          role.order.resumed(session);
        }
      },
      revalidate:
        role.kind === 'learner'
          ? (client, sessionId, timeoutMs) => this.#revalidations?.ask(client, sessionId, timeoutMs)
          : null,
      whenSure: role.kind === 'leader' ? (client, then) => this.#whenSure(role.order, client, then) : null,
      gone: (sessionId) => this.sessions.gone(sessionId),
      close: this.#connectionPorts.close,
    });
  }

  /** A leader of before, who has not noticed, does not know what another one has done: nobody is told of that. */
  #whenSure(order: Leading, client: ClientConnection, then: () => void): void {
    const { connections } = this.#parts;
    client.phase = 'opening';
    connections.shookHands(client);
    connections.pause(client, PauseReason.opening);
    order.confirm(() => {
      if (client.gone || client.phase !== 'opening') {
        return;
      }
      then();
      if (client.session !== null) {
        connections.resume(client, PauseReason.opening);
      }
    });
  }

  #newRevalidations(revalidate: (sessionId: bigint, timeoutMs: number) => void): Revalidations {
    return new Revalidations({
      table: this.#world.sessions,
      sessions: this.sessions,
      handshake: this.handshake,
      connections: this.#parts.connections,
      revalidate,
    });
  }

  /** Writes on their way, and not applied. */
  get inFlightCount(): number {
    return this.#order.inFlightCount;
  }

  /** Sessions by the time at which they expire, soonest first. */
  expiryBuckets(): readonly ExpiryBucket<Session<ClientConnection>>[] {
    return this.sessions.buckets();
  }

  /** What waits for time to pass, and ends in writes. */
  tick(): void {
    const { nowMs, wallMs } = this.#parts.clock;
    this.sessions.expireSessions(nowMs);
    this.#reaper?.tick(nowMs, wallMs);
  }

  forget(client: ClientConnection): void {
    this.requests.forget(client);
    this.#world.watches.removeWatcher(client);
    this.sessions.disconnected(client);
  }

  /** Learner: the leader has answered the oldest question about a session. */
  revalidated(sessionId: bigint, valid: boolean): void {
    this.#revalidations?.answered(sessionId, valid);
  }

  /** The oldest sync is done. */
  syncDone(): void {
    if (this.role.kind === 'leader' || this.role.kind === 'learner') {
      this.role.order.syncDone();
      this.#syncsDone = true;
    }
  }

  /** Applies what is committed, in order: the tables, then events, then answers. */
  applyCommitted(): void {
    const { audit, digests, events } = this.#parts;
    const world = this.#world;
    const order = this.#order;
    let applied = false;
    for (let entry = order.nextCommitted(); entry !== null; entry = order.nextCommitted()) {
      this.requests.answerSyncs(); // in the state that they asked for, and before anything later
      applied = true;
      if (entry.client !== null) {
        this.requests.applying(entry.client);
      }
      const session = world.sessions.get(entry.sessionId);
      if (!order.apply(entry)) {
        this.#mismatch(entry.zxid);
      }
      if (order.isEven) {
        digests.applied(entry.zxid, world.tree);
      }
      if (audit !== null) {
        this.#audit(audit, entry);
      }
      events.fire(world, entry.zxid); // before the answer, and before any later one
      if (entry.txn.kind.type === OpCode.createSession) {
        this.sessions.applied(entry);
        continue;
      }
      if (entry.txn.kind.type === OpCode.closeSession && session !== undefined) {
        this.sessions.closed(session, entry.client);
      }
      if (entry.client !== null) {
        this.requests.applied(entry, entry.client);
      }
      if (session?.local === true && isRefusedAsOver(entry.txn)) {
        this.sessions.endLocal(session); // a client of it was told so elsewhere, and the leader knows
      }
    }
    if (applied || this.#syncsDone) {
      this.#syncsDone = false;
      this.requests.settle();
      this.#reportQuotas();
    }
  }

  #mismatch(zxid: number): void {
    const { role } = this;
    this.#parts.digests.mismatch(zxid, role.kind === 'learner' ? NOT_THE_LEADERS : NOT_THE_PREDICTED);
    if (role.kind === 'learner' || role.kind === 'leader') {
      role.diverged(zxid);
    }
  }

  /**
   * Applies whatever was proposed, committed or not, for a server that no longer serves: all of it is in the log
   * (quorum-protocol.md §6.4). Nobody is told.
   */
  fastForward(): void {
    const order = this.#order;
    for (let entry = order.nextInFlight(); entry !== null; entry = order.nextInFlight()) {
      order.apply(entry);
    }
    this.#world.tree.changes.length = 0;
  }

  #audit(audit: WriteAudit, entry: InFlight): void {
    if (entry.txn.kind.type !== OpCode.closeSession) {
      audit.written(entry);
      return;
    }
    for (const change of this.#world.tree.changes) {
      audit.ephemeralDeleted(entry.sessionId, change.path);
    }
  }

  /** Soft limits only warn, and once in a while: a writer beyond its quota would fill the log. */
  #reportQuotas(): void {
    const { violations } = this.#world.tree.quota;
    const first = violations[0];
    if (first === undefined) {
      return;
    }
    const { clock, log } = this.#parts;
    if (clock.nowMs >= this.#nextQuotaWarningMs) {
      this.#nextQuotaWarningMs = clock.nowMs + QUOTA_WARNING_INTERVAL_MS;
      const { prefix, kind, limit, total } = first;
      log.warn(`quota exceeded: ${prefix} would have a ${kind} of ${total}, its limit is ${limit}`);
    }
    violations.length = 0;
  }
}
