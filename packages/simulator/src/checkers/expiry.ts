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
  /** wall − monotonic time, with the monotonic time from which it was so. */
  readonly #wallOffsets: { readonly offsetMs: number; readonly sinceMs: number }[] = [];

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

  wallClockIs(offsetMs: number, sinceMs: number): void {
    this.#wallOffsets.push({ offsetMs, sinceMs });
  }

  /** The server has closed a session by itself. */
  expired({ sessionId, timeMs, loggedMs }: LoggedTxn): void {
    // The transaction says when it was proposed, by the wall clock; where that has jumped back, this is true twice.
    const proposedMs = this.#wallOffsets
      .map(({ offsetMs, sinceMs }, i) => {
        const untilMs = this.#wallOffsets[i + 1]?.sinceMs ?? loggedMs;
        return { atMs: timeMs - offsetMs, sinceMs, untilMs };
      })
      .filter(({ atMs, sinceMs, untilMs }) => atMs >= sinceMs && atMs <= untilMs);
    const due = proposedMs.find(({ atMs }) => this.#isDue(sessionId, atMs));
    const describe = () => {
      const times = proposedMs.map(({ atMs }) => atMs).join(' or ');
      const session = JSON.stringify(this.#sessions.get(sessionId));
      return `session ${sessionHex(sessionId)} was closed at ${times} ms, too early: ${session}`;
    };
    check(due !== undefined, 'expiry', describe);
  }

  /** A client was told that its session is gone: its time must have been over at some moment, then or before. */
  refused(sessionId: bigint, nowMs: number): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined || session.isOver) {
      return;
    }
    const { timeoutMs } = session;
    const signsMs = [...session.signsMs, nowMs].sort((a, b) => a - b);
    const wasOver = signsMs.some((signMs, i) => i > 0 && signMs - signsMs[i - 1] >= timeoutMs);
    const name = sessionHex(sessionId);
    check(wasOver, 'expiry', () => `session ${name} was refused at ${nowMs}; it was never silent for ${timeoutMs} ms`);
  }

  #isDue(sessionId: bigint, atMs: number): boolean {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) {
      return false;
    }
    // Later signs of life came when its end had been decided.
    const lastSignMs = Math.max(...session.signsMs.filter((signMs) => signMs < atMs));
    return lastSignMs + session.timeoutMs <= atMs;
  }
}
