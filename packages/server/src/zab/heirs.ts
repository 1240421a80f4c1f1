/** Who of an epoch's followers could lead next, as far as their leader knows. */
import type { CommittedLog } from './committed-log.ts';
import type { Leader } from './leader.ts';
import type { LearnerLink } from './learner-link.ts';
import type { Membership } from './membership.ts';

export class Heirs {
  readonly #serverId: number;
  readonly #leader: Leader;
  readonly #membership: Membership;
  readonly #committedLog: CommittedLog;
  readonly #links: ReadonlySet<LearnerLink>;

  constructor(
    serverId: number,
    leader: Leader,
    membership: Membership,
    committedLog: CommittedLog,
    links: ReadonlySet<LearnerLink>,
  ) {
    this.#serverId = serverId;
    this.#leader = leader;
    this.#membership = membership;
    this.#committedLog = committedLog;
    this.#links = links;
  }

  /** A follower that is in step. */
  follower(serverId: number): LearnerLink | undefined {
    return [...this.#links].find((link) => link.serverId === serverId && link.stage === 'active' && !link.isObserver);
  }

  /** Of these servers the follower that has the most; null: none of them is in step. */
  bestOf(serverIds: readonly number[]): number | null {
    return this.#mostAdvanced(serverIds.filter((id) => this.follower(id) !== undefined));
  }

  /** Whether a follower could be elected. */
  get hasAny(): boolean {
    return this.bestOf(this.#electable) !== null;
  }

  get #electable(): readonly number[] {
    return this.#membership.committed.electable;
  }

  /** Whether this server could be elected, and is in step. */
  canLead(serverId: number): boolean {
    const isInStep = serverId === this.#serverId || this.follower(serverId) !== undefined;
    return isInStep && this.#electable.includes(serverId);
  }

  /** The follower that suits best, and can be told so; null: there is none. */
  get best(): number | null {
    return this.bestOf(this.#electable.filter((voter) => this.knowsHandOver(voter)));
  }

  /** Whether this server can be told that it leads next: this one itself can, in a new epoch. */
  knowsHandOver(serverId: number): boolean {
    return serverId === this.#serverId || this.follower(serverId)?.knowsHandOver === true;
  }

  /**
   * Whether those who go to the next leader when they are told to are a quorum. Else it waits for one in vain, and so
   * do those who hold an election because they were not told: they are too few without it.
   *
   * @param isLeaving this server is not among them
   */
  canSkipElection(isLeaving: boolean): boolean {
    const told = this.present(({ knowsHandOver }) => knowsHandOver);
    if (isLeaving) {
      told.delete(this.#serverId);
    }
    return this.#membership.quorum.hasQuorum(told);
  }

  /** Followers that are connected, those of them that count, and this server. */
  present(counts: (link: LearnerLink) => boolean = () => true): Set<number> {
    const present = new Set([this.#serverId]);
    for (const link of this.#links) {
      // Who is to observe from now on is about to leave, and comes back without a vote.
      if (link.isLive && !link.isObserver && !this.#membership.observes(link.serverId) && counts(link)) {
        present.add(link.serverId);
      }
    }
    return present;
  }

  /** Whether a server has everything that is committed. */
  hasAll(serverId: number): boolean {
    return this.#historyOf(serverId) >= this.#committedLog.last;
  }

  /** How far the history of a follower goes, as far as it has told. */
  #historyOf(serverId: number): number {
    if (serverId === this.#serverId) {
      return Number.POSITIVE_INFINITY;
    }
    const follower = this.follower(serverId);
    return follower === undefined ? -1 : Math.max(follower.syncedZxid, this.#leader.ackedThrough(serverId));
  }

  /** Whoever has the longest history; of equals the first; null: of nobody. */
  #mostAdvanced(serverIds: readonly number[]): number | null {
    let best: number | null = null;
    for (const serverId of serverIds) {
      if (best === null || this.#historyOf(serverId) > this.#historyOf(best)) {
        best = serverId;
      }
    }
    return best;
  }
}
