/**
 * What the leader of an ensemble with local sessions can know of those that it does not have in its table: they may be
 * other servers' (client-protocol.md §2.7), unless they are over.
 */

interface Clock {
  /** Monotonic ms. */
  readonly nowMs: number;
}

export interface ForeignSessionOptions {
  readonly serverId: number;
  readonly maxSessionTimeoutMs: number;
  readonly localSessionsEnabled: boolean;
}

/** The top byte of a session's id names the server that made it. */
const SERVER_SHIFT = 56n;

export class ForeignSessions {
  readonly #serverId: number;
  readonly #clock: Clock;
  readonly #keptMs: number;
  /** Sessions that are over: of late, and before that. */
  #recent = new Set<bigint>();
  #older = new Set<bigint>();
  #recentSinceMs: number;

  /** Ids of sessions that are over are kept for the longest timeout, or twice that: nothing is on its way as long. */
  constructor({ serverId, maxSessionTimeoutMs }: ForeignSessionOptions, clock: Clock) {
    this.#serverId = serverId;
    this.#clock = clock;
    this.#keptMs = maxSessionTimeoutMs;
    this.#recentSinceMs = clock.nowMs;
  }

  /** Null: there are no local sessions. */
  static of(options: ForeignSessionOptions, clock: Clock): ForeignSessions | null {
    return options.localSessionsEnabled ? new ForeignSessions(options, clock) : null;
  }

  /** Another server's local session may have this id. */
  mayLive(id: bigint): boolean {
    return Number(BigInt.asUintN(64, id) >> SERVER_SHIFT) !== this.#serverId && !this.isOver(id);
  }

  /** The session was a global one and has ended, or a client has been told that it is gone. */
  isOver(id: bigint): boolean {
    return this.#recent.has(id) || this.#older.has(id);
  }

  /** From now on nothing is taken for this session. */
  ended(id: bigint): void {
    const { nowMs } = this.#clock;
    if (nowMs - this.#recentSinceMs >= this.#keptMs) {
      this.#older = this.#recent;
      this.#recent = new Set();
      this.#recentSinceMs = nowMs;
    }
    this.#recent.add(id);
  }
}
