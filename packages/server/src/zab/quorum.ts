/** Which sets of acknowledgements suffice. Servers are named by their id. */
export interface Quorum {
  readonly voters: readonly number[];
  /**
   * The highest zxid that a quorum has acknowledged, when every voter acknowledges in order and `ackedThrough` holds
   * the last zxid each has acknowledged (absent: none).
   */
  committedThrough(ackedThrough: ReadonlyMap<number, number>): number;
}

/** A majority of the voters. A standalone server is an ensemble of one: its own acknowledgement is the majority. */
export class MajorityQuorum implements Quorum {
  readonly voters: readonly number[];

  constructor(voters: readonly number[]) {
    if (voters.length === 0) {
      throw new RangeError('a quorum needs at least one voter');
    }
    this.voters = voters;
  }

  committedThrough(ackedThrough: ReadonlyMap<number, number>): number {
    const acked = this.voters.map((voter) => ackedThrough.get(voter) ?? -1).sort((a, b) => b - a);
    // With the watermarks in falling order, the middle one has been reached by a majority.
    return acked[Math.floor(acked.length / 2)];
  }
}
