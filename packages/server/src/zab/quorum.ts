/** Which sets of acknowledgements suffice (quorum-protocol.md §1.2). Servers are named by their id. */
export interface Quorum {
  readonly voters: readonly number[];
  /** Whether these servers are enough. Those that are no voters do not count. */
  hasQuorum(servers: ReadonlySet<number>): boolean;
  /**
   * The highest zxid that a quorum has acknowledged, when every voter acknowledges in order and `ackedThrough` holds
   * the last zxid each has acknowledged (absent: none). −1 when there is none.
   */
  committedThrough(ackedThrough: ReadonlyMap<number, number>): number;
}

const NONE = -1;

/** A majority of the voters. A standalone server is an ensemble of one: its own acknowledgement is the majority. */
export class MajorityQuorum implements Quorum {
  readonly voters: readonly number[];

  constructor(voters: readonly number[]) {
    if (voters.length === 0) {
      throw new RangeError('a quorum needs at least one voter');
    }
    this.voters = voters;
  }

  hasQuorum(servers: ReadonlySet<number>): boolean {
    let count = 0;
    for (const voter of this.voters) {
      if (servers.has(voter)) {
        count += 1;
      }
    }
    return count > Math.floor(this.voters.length / 2);
  }

  committedThrough(ackedThrough: ReadonlyMap<number, number>): number {
    if (this.voters.length === 1) {
      return ackedThrough.get(this.voters[0]) ?? NONE;
    }
    const acked = this.voters.map((voter) => ackedThrough.get(voter) ?? NONE).sort((a, b) => b - a);
    // With the watermarks in falling order, the middle one has been reached by a majority.
    return acked[Math.floor(acked.length / 2)];
  }
}

/** The members of one group and the weight of their votes. */
export type GroupWeights = ReadonlyMap<number, number>;

/**
 * More than half of the weight in more than half of the groups. Groups whose weight is 0 do not count, and neither do
 * voters whose weight is 0.
 */
export class HierarchicalQuorum implements Quorum {
  readonly voters: readonly number[];
  readonly #groups: readonly GroupWeights[];

  /** @param groups what a group weighs may include members that are no voters: they never help it */
  constructor(voters: readonly number[], groups: readonly GroupWeights[]) {
    this.voters = voters;
    this.#groups = groups.filter((group) => totalOf(group.values()) > 0);
    if (!this.hasQuorum(new Set(voters))) {
      throw new RangeError('all voters together are no quorum');
    }
  }

  hasQuorum(servers: ReadonlySet<number>): boolean {
    const counting = new Set(this.voters.filter((voter) => servers.has(voter)));
    let groupsWon = 0;
    for (const group of this.#groups) {
      const present = [...group].filter(([member]) => counting.has(member)).map(([, weight]) => weight);
      if (totalOf(present) > Math.floor(totalOf(group.values()) / 2)) {
        groupsWon += 1;
      }
    }
    return groupsWon > Math.floor(this.#groups.length / 2);
  }

  committedThrough(ackedThrough: ReadonlyMap<number, number>): number {
    const acked = this.voters.map((voter) => [voter, ackedThrough.get(voter) ?? NONE] as const);
    acked.sort(([, one], [, other]) => other - one);
    // The first in falling order that completes a quorum has the watermark that all of the quorum have reached.
    const reached = new Set<number>();
    for (const [voter, zxid] of acked) {
      reached.add(voter);
      if (this.hasQuorum(reached)) {
        return zxid;
      }
    }
    return NONE;
  }
}

function totalOf(weights: Iterable<number>): number {
  let total = 0;
  for (const weight of weights) {
    total += weight;
  }
  return total;
}

/** Several rules at once, while the membership changes: what suffices must suffice for each of them. */
export class JointQuorum implements Quorum {
  readonly voters: readonly number[];
  readonly #parts: readonly Quorum[];

  constructor(parts: readonly Quorum[]) {
    this.#parts = parts;
    this.voters = [...new Set(parts.flatMap((part) => part.voters))];
  }

  hasQuorum(servers: ReadonlySet<number>): boolean {
    return this.#parts.every((part) => part.hasQuorum(servers));
  }

  committedThrough(ackedThrough: ReadonlyMap<number, number>): number {
    return Math.min(...this.#parts.map((part) => part.committedThrough(ackedThrough)));
  }
}
