/**
 * The end of a leadership that is given away: because a change of membership asks for it (quorum-protocol.md §9.3), by
 * command, or because the epoch is running out of zxids. Nothing more is proposed, everything gets committed, the
 * learners are told whom to follow, and leave by themselves.
 */
import type { Log } from '../io/log.ts';
import type { Broadcast } from './broadcast.ts';
import type { LearnerLink } from './learner-link.ts';
import { writeHandOver, writeHandOverQuery } from './packets.ts';

/** How long a leader that has said goodbye waits for its learners to leave. */
const FAREWELL_MS = 1000;

/**
 * How long followers may take to say that they know of handing over. Those of Apache ZooKeeper never do: when those who
 * do are no quorum, leadership is given up as soon as a quorum has everything, and one of it is elected.
 */
const ANSWER_MS = 100;
/** For what was said last to leave, before links are closed. */
const PARTING_MS = 20;

/** To whom it is to be given (null: to the best), since when, and for how long that is tried. */
interface Wish {
  readonly heirId: number | null;
  /** This server does not follow the heir. */
  readonly isLeaving: boolean;
  readonly askedMs: number;
  readonly untilMs: number;
}

/** The leadership is over; null as successor: an election decides. */
export interface Ending {
  readonly reason: string;
  readonly successor: number | null;
}

export class Succession {
  readonly #broadcast: Broadcast;
  readonly #links: ReadonlySet<LearnerLink>;
  readonly #log: Log;
  readonly #patienceMs: number;
  /** It is to be given away, to this one or the best. */
  #wanted: Wish | null = null;
  /** It has been given away; null as successor: to whom an election finds. */
  #farewell: { readonly successor: number | null; readonly untilMs: number } | null = null;
  #nowMs = 0;

  /** @param patienceMs how long the followers may take to acknowledge everything */
  constructor(broadcast: Broadcast, links: ReadonlySet<LearnerLink>, log: Log, patienceMs: number) {
    this.#broadcast = broadcast;
    this.#links = links;
    this.#log = log;
    this.#patienceMs = patienceMs;
  }

  /** The learners have been told to leave: no others are taken. */
  get isFarewell(): boolean {
    return this.#farewell !== null;
  }

  /** It is being given away: nothing is proposed meanwhile. False again when it stays. */
  get isUnderWay(): boolean {
    return this.#wanted !== null || this.#farewell !== null;
  }

  get deadlineMs(): number {
    if (this.#farewell === null && this.#wanted !== null) {
      const { askedMs, untilMs } = this.#wanted;
      return this.#nowMs < askedMs + ANSWER_MS ? askedMs + ANSWER_MS : untilMs;
    }
    return this.#farewell?.untilMs ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Gives leadership away. False when there is no follower that could lead.
   *
   * @param heirId null: the one that has acknowledged the most; this server itself: it goes on in a new epoch
   * @param isLeaving the heir has to find a quorum without this server
   */
  begin(heirId: number | null, nowMs: number, isLeaving = false): boolean {
    const broadcast = this.#broadcast;
    const { heirs } = broadcast;
    const isPossible = heirId === null ? heirs.hasAny : heirs.canLead(heirId);
    if (isPossible && this.#farewell === null && this.#wanted === null) {
      this.#wanted = { heirId, isLeaving, askedMs: nowMs, untilMs: nowMs + this.#patienceMs };
      broadcast.leader.open = false;
      for (const learner of this.#links) {
        if (learner.isLive) {
          writeHandOverQuery(learner.output);
        }
      }
    }
    return isPossible;
  }

  /** Moves it on; not null: it is over. Call it before the output of a turn is sent. */
  step(nowMs: number): Ending | null {
    const broadcast = this.#broadcast;
    this.#nowMs = nowMs;
    if (broadcast.isUsedUp) {
      return { reason: 'the epoch has no more zxids', successor: null };
    }
    if (broadcast.isOutvoted) {
      return { reason: 'a majority of the servers has another tree', successor: null };
    }
    if (broadcast.isNearlyUsedUp && this.#wanted === null) {
      this.begin(broadcast.heirs.hasAny ? null : broadcast.serverId, nowMs); // alone, it goes on in an epoch of its own
    }
    if (this.#farewell === null) {
      this.#considerFarewell(nowMs);
      return null;
    }
    const { successor, untilMs } = this.#farewell;
    const isOver = nowMs >= untilMs || (successor !== null && !broadcast.hasLeaving);
    return isOver ? { reason: `leadership goes to ${successor ?? 'whoever is elected'}`, successor } : null;
  }

  #considerFarewell(nowMs: number): void {
    const broadcast = this.#broadcast;
    if (broadcast.isDeposed) {
      this.#sayGoodbye(null, nowMs + PARTING_MS);
    } else if (broadcast.successor !== null) {
      // The learners know it already, from the transaction that changed the membership.
      this.#sayGoodbye(broadcast.successor, nowMs + FAREWELL_MS);
    } else if (this.#wanted !== null && broadcast.isIdle) {
      this.#considerHeir(this.#wanted, nowMs);
    } else if (this.#wanted !== null && nowMs >= this.#wanted.untilMs) {
      this.#stay('the followers do not keep up');
    }
  }

  /** Everything is committed: somebody else may lead. */
  #considerHeir({ heirId, isLeaving, askedMs, untilMs }: Wish, nowMs: number): void {
    const broadcast = this.#broadcast;
    const { heirs } = broadcast;
    if (heirId !== null && !heirs.canLead(heirId)) {
      this.#stay(`server ${heirId} is gone`);
      return;
    }
    const best = heirId ?? heirs.best;
    const heir = best !== null && heirs.knowsHandOver(best) && heirs.canSkipElection(isLeaving) ? best : null;
    if (heir !== null && heirs.hasAll(heir)) {
      for (const learner of this.#links) {
        if (learner.isLive) {
          writeHandOver(learner.output, broadcast.leader.lastProposed, heir);
        }
      }
      this.#sayGoodbye(heir, nowMs + FAREWELL_MS);
    } else if (heir === null && nowMs >= askedMs + ANSWER_MS) {
      this.#sayGoodbye(null, nowMs + PARTING_MS); // a quorum has everything: one of it is elected
    } else if (nowMs >= untilMs) {
      this.#stay(`server ${heir ?? heirId} does not keep up`);
    }
  }

  #stay(reason: string): void {
    this.#wanted = null;
    this.#broadcast.leader.open = true;
    this.#log.warn(`leadership stays here: ${reason}`);
  }

  #sayGoodbye(successor: number | null, untilMs: number): void {
    this.#broadcast.leader.open = false;
    this.#farewell = { successor, untilMs };
  }
}
