/**
 * Syncs at the leader. One is answered when everything proposed before it has been committed, and when a quorum has
 * shown since that this server still leads: by echoing a PING sent after the sync was asked for. A server that echoes
 * has not joined another leader, so no other has committed anything by then, and sync + read is linearizable. That a
 * session is gone is said in the same way: another leader may have opened it.
 */
import type { LearnerLink } from './learner-link.ts';
import type { Quorum } from './quorum.ts';

/** A sync, or something else that only a server that still leads may say. */
export interface Confirmed {
  /** Null: a client of the leader itself. */
  readonly origin: LearnerLink | null;
  /** What is to be done; null: the sync is answered. */
  readonly then: (() => void) | null;
}

interface Waiting extends Confirmed {
  readonly zxid: number;
  readonly round: number;
}

export class SyncGate {
  readonly #serverId: number;
  #waiting: Waiting[] = [];
  /** The last round of PINGs that has begun. */
  #round = 0;
  #wanted = false;
  readonly #echoedRounds = new Map<number, number>();

  constructor(serverId: number) {
    this.#serverId = serverId;
  }

  /** @param zxid what must be committed before it is answered */
  ask(origin: LearnerLink | null, zxid: number, then: (() => void) | null = null): void {
    this.#waiting.push({ origin, then, zxid, round: this.#round + 1 });
    this.#wanted = true;
  }

  /** Syncs wait for a round that has not begun. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** A round of PINGs begins, in this number: they confirm whatever was asked for before. */
  beginRound(): number {
    this.#wanted = false;
    this.#round++;
    this.#echoedRounds.set(this.#serverId, this.#round);
    return this.#round;
  }

  echoed(serverId: number, round: number): void {
    this.#echoedRounds.set(serverId, round);
  }

  /** This server's link is gone, with the PINGs on it. */
  forget(link: LearnerLink): void {
    this.#echoedRounds.delete(link.serverId);
    this.#waiting = this.#waiting.filter(({ origin }) => origin !== link);
  }

  /** Takes out those that can be answered, in the order in which they were asked for. */
  takeReady(committed: number, quorum: Quorum): readonly Confirmed[] {
    if (this.#waiting.length === 0) {
      return [];
    }
    const confirmed = quorum.committedThrough(this.#echoedRounds);
    const isReady = ({ zxid, round }: Waiting) => zxid <= committed && round <= confirmed;
    const ready = this.#waiting.filter(isReady);
    if (ready.length > 0) {
      this.#waiting = this.#waiting.filter((waiting) => !isReady(waiting));
    }
    return ready;
  }
}
