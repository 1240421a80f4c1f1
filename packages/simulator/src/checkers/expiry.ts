/** No session expires before its timeout has passed without a sign of life (client-protocol.md §10). */
import { type LoggedTxn, sessionHex } from '../history.ts';
import { check } from './violation.ts';

class SessionLife {
  timeoutMs: number;
  /** Times at which the session certainly showed life, ascending, monotonic ms. */
  readonly signsMs: number[];
  /** The client has asked for its end, or was told that it is over. */
  isOver = false;

  constructor(timeoutMs: number, nowMs: number) {
    this.timeoutMs = timeoutMs;
    this.signsMs = [nowMs];
  }
}

export class ExpiryChecker {
  readonly #sessions = new Map<bigint, SessionLife>();
  /** wall − monotonic time, and since when. */
  #wallOffsetMs = 0;
  #wallOffsetSinceMs = 0;

  /** A session was opened, or resumed with another timeout, or loaded at a restart. */
  opened(sessionId: bigint, timeoutMs: number, nowMs: number): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) {
      this.#sessions.set(sessionId, new SessionLife(timeoutMs, nowMs));
    } else {
      session.timeoutMs = timeoutMs;
      session.signsMs.push(nowMs);
    }
  }

  /** A request that the server had at `nowMs` has been answered. */
  showedLife(sessionId: bigint, nowMs: number): void {
    this.#sessions.get(sessionId)?.signsMs.push(nowMs);
  }

  /** The client has sent closeSession. */
  closeRequested(sessionId: bigint): void {
    const session = this.#sessions.get(sessionId);
    if (session !== undefined) {
      session.isOver = true;
    }
  }

  wallClockIs(offsetMs: number, nowMs: number): void {
    if (offsetMs !== this.#wallOffsetMs) {
      this.#wallOffsetMs = offsetMs;
      this.#wallOffsetSinceMs = nowMs;
    }
  }

  /** The server has closed a session by itself. */
  expired({ sessionId, timeMs, loggedMs }: LoggedTxn): void {
    const proposedMs = timeMs - this.#wallOffsetMs;
    const isKnown = proposedMs >= this.#wallOffsetSinceMs && proposedMs <= loggedMs;
    this.#checkDue(sessionId, isKnown ? proposedMs : loggedMs, 'was closed');
  }

  /** A client was told that its session is gone. */
  refused(sessionId: bigint, nowMs: number): void {
    if (this.#sessions.get(sessionId)?.isOver === false) {
      this.#checkDue(sessionId, nowMs, 'was refused');
    }
  }

  #checkDue(sessionId: bigint, atMs: number, what: string): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) {
      return;
    }
    const { timeoutMs, signsMs } = session;
    // Later signs of life came when its end had been decided.
    const lastSignMs = Math.max(...signsMs.filter((signMs) => signMs < atMs));
    check(
      lastSignMs + timeoutMs <= atMs,
      'expiry',
      () =>
        `session ${sessionHex(sessionId)} ${what} at ${atMs}, ${atMs - lastSignMs} ms after a sign of life; its timeout is ` +
        `${timeoutMs} ms`,
    );
  }
}
