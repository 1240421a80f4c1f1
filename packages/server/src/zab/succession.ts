/**
 * The end of a leadership that is given away: because a change of membership asks for it (quorum-protocol.md §9.3), by
 * command, or because the epoch is running out of zxids. Nothing more is proposed, everything gets committed, the
 * learners are told whom to follow, and leave by themselves.
 */
import type { Log } from '../io/log.ts';
import type { Broadcast } from './broadcast.ts';
import type { LearnerLink } from './learner-link.ts';
import { writeHandOver } from './packets.ts';

/** How long a leader that has said goodbye waits for its learners to leave. */
const FAREWELL_MS = 1000;

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
  #wanted: { readonly heirId: number | null; readonly untilMs: number } | null = null;
  /** It has been given away. */
  #farewell: { readonly successor: number; readonly untilMs: number } | null = null;

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

  get deadlineMs(): number {
    return this.#farewell?.untilMs ?? this.#wanted?.untilMs ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Gives leadership away. False when there is no follower that could lead.
   *
   * @param heirId null: the one that has acknowledged the most; this server itself: it goes on in a new epoch
   */
  begin(heirId: number | null, nowMs: number): boolean {
    const broadcast = this.#broadcast;
    const isPossible = heirId === null ? broadcast.heir !== null : broadcast.canLead(heirId);
    if (isPossible && this.#farewell === null && this.#wanted === null) {
      this.#wanted = { heirId, untilMs: nowMs + this.#patienceMs };
      broadcast.leader.open = false;
    }
    return isPossible;
  }

  /** Moves it on; not null: it is over. Call it before the output of a turn is sent. */
  step(nowMs: number): Ending | null {
    const broadcast = this.#broadcast;
    if (broadcast.isUsedUp) {
      return { reason: 'the epoch has no more zxids', successor: broadcast.heir };
    }
    if (broadcast.isNearlyUsedUp && this.#wanted === null) {
      this.begin(null, nowMs);
    }
    if (this.#farewell === null) {
      this.#considerFarewell(nowMs);
      return null;
    }
    const { successor, untilMs } = this.#farewell;
    const isOver = nowMs >= untilMs || !broadcast.hasLearners;
    return isOver ? { reason: `leadership goes to server ${successor}`, successor } : null;
  }

  #considerFarewell(nowMs: number): void {
    const broadcast = this.#broadcast;
    if (broadcast.successor !== null) {
      // The learners know it already, from the transaction that changed the membership.
      this.#sayGoodbye(broadcast.successor, nowMs);
      return;
    }
    if (this.#wanted === null) {
      return;
    }
    const { heirId, untilMs } = this.#wanted;
    const heir = heirId === null ? broadcast.heir : broadcast.canLead(heirId) ? heirId : null;
    if (broadcast.isIdle && heir !== null && broadcast.hasAll(heir)) {
      for (const learner of this.#links) {
        if (learner.isLive) {
          writeHandOver(learner.output, broadcast.leader.lastProposed, heir);
        }
      }
      this.#sayGoodbye(heir, nowMs);
    } else if (nowMs >= untilMs) {
      this.#wanted = null;
      broadcast.leader.open = true;
      this.#log.warn('leadership stays here: no follower that could take it has everything');
    }
  }

  #sayGoodbye(successor: number, nowMs: number): void {
    this.#broadcast.leader.open = false;
    this.#farewell = { successor, untilMs: nowMs + FAREWELL_MS };
  }
}
