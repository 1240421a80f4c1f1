/**
 * Answers to notifications that were sent a moment ago. Two servers that look for a leader, of which only one takes the
 * other for an elector, could go on answering each other for ever: the same answer is not repeated at once. Whoever has
 * missed it asks again by itself.
 */
import type { Vote } from './vote.ts';

interface Answer extends Vote {
  readonly round: number;
}

const REPEATED_AFTER_MS = 100;
/** Ids come from whoever dials. */
const SERVERS_MAX = 1000;

export class RecentAnswers {
  readonly #answers = new Map<number, { readonly answer: Answer; readonly nowMs: number }>();

  /** Whether a server is to get this answer. It is taken to have been sent then. */
  isNew(serverId: number, answer: Answer, nowMs: number): boolean {
    const last = this.#answers.get(serverId);
    if (last !== undefined && nowMs < last.nowMs + REPEATED_AFTER_MS && isSame(last.answer, answer)) {
      return false;
    }
    if (this.#answers.size >= SERVERS_MAX) {
      this.#answers.clear();
    }
    this.#answers.set(serverId, { answer, nowMs });
    return true;
  }
}

function isSame(one: Answer, other: Answer): boolean {
  return (
    one.round === other.round &&
    one.leader === other.leader &&
    one.zxid === other.zxid &&
    one.peerEpoch === other.peerEpoch
  );
}
