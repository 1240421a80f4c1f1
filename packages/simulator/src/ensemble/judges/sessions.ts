/**
 * Sessions as clients see them: opened once, resumed with their own password, told to be gone only when somebody has
 * closed them, expired only after a silence as long as their timeout.
 */
import type { ConnectResponse, Infer } from '@treekeeper/protocol';
import type { ConnectionView, SentHandshake } from '../../checkers/connection-view.ts';
import { check } from '../../checkers/violation.ts';
import { type LoggedTxn, sessionHex, zxidText } from '../../history.ts';
import { checkTimeout } from '../../referee.ts';
import type { LocalSessions } from './local-sessions.ts';

export interface TimeoutBounds {
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
}

/** A sign of life: a request that a server had, and answered later. */
interface Sign {
  readonly serverId: number;
  readonly atMs: number;
}

class SessionLife {
  readonly password: Buffer;
  readonly timeoutsMs: Set<number>;
  /** The latest sign at each server. */
  readonly signs = new Map<number, Sign>();
  closedZxid = Number.POSITIVE_INFINITY;

  constructor(password: Uint8Array, timeoutMs: number) {
    this.password = Buffer.from(password);
    this.timeoutsMs = new Set([timeoutMs]);
  }

  get timeoutMsMin(): number {
    return Math.min(...this.timeoutsMs);
  }
}

/** The server that answers a handshake. */
export interface Answerer {
  readonly serverId: number;
  readonly stateZxid: number;
  readonly nowMs: number;
}

/** The leader that has closed a session by itself. */
export interface Expirer {
  readonly leaderId: number;
  /** When it began to lead. */
  readonly sinceMs: number;
  /** Milliseconds of its clock in one of the world's. */
  readonly clockRate: number;
}

export class SessionJudge {
  readonly #bounds: TimeoutBounds;
  readonly #locals: LocalSessions | null;
  readonly #sessions = new Map<bigint, SessionLife>();
  /** Those whose end somebody has asked for, or a leader has decided, whatever became of that. */
  readonly #ending = new Set<bigint>();
  readonly #resumed = new Set<bigint>();
  /** Nothing has failed since, and everybody has got on: from then on nobody who shows life may lose a session. */
  calmSinceMs = Number.POSITIVE_INFINITY;

  /** @param locals null: all sessions are global */
  constructor(bounds: TimeoutBounds, locals: LocalSessions | null) {
    this.#bounds = bounds;
    this.#locals = locals;
  }

  /** A server whose state is that of `stateZxid` has answered a handshake. True: the session goes on. */
  answered(
    view: ConnectionView,
    asked: SentHandshake,
    { sessionId, timeOut, passwd }: Infer<typeof ConnectResponse>,
    { serverId, stateZxid, nowMs }: Answerer,
  ): boolean {
    const name = sessionHex(sessionId === 0n ? asked.sessionId : sessionId);
    const problem = (what: string) => () => `connection ${view.port}, session ${name}: ${what}`;
    if (sessionId === 0n) {
      check(asked.sessionId !== 0n, 'handshake', problem('a new session was refused'));
      const isOver = this.#ending.has(asked.sessionId) || this.#locals?.mayBeGoneAt(asked.sessionId, serverId) === true;
      check(isOver, 'handshake', problem('it was refused, and nobody had closed it'));
      this.#locals?.refused(asked.sessionId, serverId);
      return false;
    }
    checkTimeout(asked, timeOut, this.#bounds, problem);
    const known = this.#sessions.get(sessionId);
    if (asked.sessionId === 0n) {
      check(known === undefined, 'handshake', problem('it was given to two clients'));
      this.#sessions.set(sessionId, new SessionLife(passwd, timeOut));
      this.#locals?.opened(sessionId, serverId, timeOut, nowMs);
      return true;
    }
    check(sessionId === asked.sessionId, 'handshake', problem('it was resumed as another'));
    check(known?.password.equals(passwd) === true, 'handshake', problem('its password has changed'));
    check(known.closedZxid > stateZxid, 'handshake', problem(`it was resumed after ${zxidText(known.closedZxid)}`));
    known.timeoutsMs.add(timeOut);
    this.#locals?.resumed(sessionId, serverId, nowMs);
    return true;
  }

  timeoutsOf(sessionId: bigint): ReadonlySet<number> {
    return this.#sessions.get(sessionId)?.timeoutsMs ?? new Set();
  }

  /** Its client has come to a server with it, whether or not it has heard the answer. */
  resuming(sessionId: bigint): void {
    this.#resumed.add(sessionId);
  }

  /** Its client has left a connection for another: requests of either may be refused. */
  mayHaveMoved(sessionId: bigint): boolean {
    return this.#resumed.has(sessionId);
  }

  showedLife(sessionId: bigint, serverId: number, atMs: number): void {
    this.#sessions.get(sessionId)?.signs.set(serverId, { serverId, atMs });
    this.#locals?.showedLife(sessionId, serverId, atMs);
  }

  /** Its client has asked for its end, or a leader says that it has expired. */
  mayEnd(sessionId: bigint): void {
    this.#ending.add(sessionId);
  }

  closed(sessionId: bigint, zxid: number): void {
    const session = this.#sessions.get(sessionId);
    if (session !== undefined) {
      session.closedZxid = zxid;
    }
  }

  /** A leader has closed a session that nobody asked it to close. */
  expired({ sessionId, zxid, loggedMs }: LoggedTxn, { leaderId, sinceMs, clockRate }: Expirer): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) {
      return; // its client never heard of it
    }
    const timeoutMs = session.timeoutMsMin;
    const name = `session ${sessionHex(sessionId)}, timeout ${timeoutMs} ms, closed by ${zxidText(zxid)}`;
    // Clocks show whole milliseconds: a millisecond may be missing at either end.
    const isTooEarly = (silentSinceMs: number) => (loggedMs - silentSinceMs) * clockRate < timeoutMs - 2;
    check(!isTooEarly(sinceMs), 'expiry', () => `${name}: its leader began to lead ${loggedMs - sinceMs} ms before`);
    for (const { serverId, atMs } of session.signs.values()) {
      // A leader knows what it has heard itself; of the rest it is told in time when nothing fails.
      const isKnown = serverId === leaderId || loggedMs > this.calmSinceMs;
      const silentSinceMs = serverId === leaderId ? atMs : atMs - timeoutMs / 2;
      check(
        !isKnown || atMs > loggedMs || !isTooEarly(silentSinceMs),
        'expiry',
        () => `${name}: server ${serverId} had heard of its client ${loggedMs - atMs} ms before`,
      );
    }
  }
}
