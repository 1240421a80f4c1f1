/**
 * When a learner whose tree is not its leader's leaves, to get the tree anew, and when that would be of no use
 * (docs/decisions/0017-damaged-members.md).
 */

/** Without a single digest in between that agreed. */
const ATTEMPTS_MAX = 3;

export interface DivergenceEvidence {
  /** Digests of this leader have agreed with those here, since it is followed. */
  readonly hasAgreed: boolean;
  /** All that is here came from this leader in a snapshot. */
  readonly isFromSnapshot: boolean;
}

export class Divergence {
  #attempts = 0;

  /**
   * A digest of the leader's does not agree. True: this server should leave, and come back for a snapshot. A tree that
   * came from the leader and has never agreed is as right as it gets: the leader counts in another way (a Java server
   * in a C locale does, with names that are not ASCII), or is wrong itself.
   */
  found({ hasAgreed, isFromSnapshot }: DivergenceEvidence): boolean {
    if (hasAgreed) {
      this.#attempts = 0;
    } else if (isFromSnapshot) {
      return false;
    }
    this.#attempts++;
    return this.#attempts <= ATTEMPTS_MAX;
  }
}
