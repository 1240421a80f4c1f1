/**
 * Order in real time: a write comes after everything that any client had been told when it was sent, and so does what a
 * sync shows, and everything read after it. With the order of zxids, in which every answer is exactly what the model
 * says, that is linearizability of writes and of reads behind a sync. A session never sees the past: the answers that a
 * client gets carry zxids that do not fall, whichever server gives them.
 */
import type { Sent } from '../../checkers/connection-view.ts';
import { check } from '../../checkers/violation.ts';
import { zxidText } from '../../history.ts';
import { isWrite } from '../../requests.ts';

export class RealTimeJudge {
  /** The highest zxid that any client has been told. */
  #toldZxid = 0;
  /** By session: of the last answer that its client has got. */
  readonly #seen = new Map<bigint, number>();

  get toldZxid(): number {
    return this.#toldZxid;
  }

  /** A client has got an answer. */
  received(sessionId: bigint, xid: number, zxid: number, sent: Sent | undefined): void {
    if (xid <= 0) {
      return; // pings and events say nothing of what was asked
    }
    const seen = this.#seen.get(sessionId) ?? 0;
    const what = () => `session ${sessionId.toString(16)}, ${sent?.request.kind} ${xid}: ${zxidText(zxid)}`;
    check(zxid >= seen, 'sessions', () => `${what()} after ${zxidText(seen)}`);
    this.#seen.set(sessionId, zxid);
    if (sent !== undefined && !sent.refused && (isWrite(sent.request) || sent.request.kind === 'sync')) {
      const before = sent.knownZxid;
      const isLate = zxid > before || (sent.request.kind === 'sync' && zxid === before);
      check(isLate, 'real time', () => `${what()}, when clients had been told of ${zxidText(before)} before`);
    }
    this.#toldZxid = Math.max(this.#toldZxid, zxid);
  }
}
