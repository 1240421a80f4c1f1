/**
 * A bucket of tokens that handshakes draw from, so that a whole fleet reconnecting at once does not drown the server
 * (client-protocol.md §12). Off unless `connection_throttle_tokens` is set.
 */
import type { Random } from '../io/random.ts';

export interface ConnectionThrottleOptions {
  /** The bucket's size; 0: off. */
  readonly tokens: number;
  readonly fillTimeMs: number;
  readonly fillCount: number;
  /** How long the probability of dropping stays after a change; −1: nothing is dropped while there are tokens. */
  readonly freezeTimeMs: number;
  readonly dropIncrease: number;
  readonly dropDecrease: number;
  /** The share of the bucket that may be missing for the probability to fall. */
  readonly decreaseRatio: number;
  readonly weightEnabled: boolean;
  readonly globalSessionWeight: number;
  readonly renewSessionWeight: number;
  readonly localSessionWeight: number;
}

export type HandshakeKind = 'global' | 'local' | 'renew';

export class ConnectionThrottle {
  readonly #options: ConnectionThrottleOptions;
  readonly #random: Random;
  readonly #capacity: number;
  readonly #fillCount: number;
  #tokens: number;
  #lastFillMs: number;
  #lastChangeMs: number;
  #dropProbability = 0;

  constructor(options: ConnectionThrottleOptions, random: Random, nowMs: number) {
    // With weights, a new global session takes several tokens; bucket and refill are scaled so that limits stay limits.
    const scale = options.weightEnabled ? options.globalSessionWeight : 1;
    this.#options = options;
    this.#random = random;
    this.#capacity = options.tokens * scale;
    this.#fillCount = options.fillCount * scale;
    this.#tokens = this.#capacity;
    this.#lastFillMs = nowMs;
    this.#lastChangeMs = nowMs;
  }

  get dropProbability(): number {
    return this.#dropProbability;
  }

  /** Tokens that the bucket lacks. */
  get deficit(): number {
    return this.#capacity - this.#tokens;
  }

  /** Whether a handshake is let through; takes its tokens then. */
  admit(kind: HandshakeKind, nowMs: number): boolean {
    if (this.#options.tokens <= 0) {
      return true;
    }
    this.#refill(nowMs);
    const needed = this.#weightOf(kind);
    if (needed > this.#tokens) {
      this.#adapt(nowMs);
      return false;
    }
    if (this.#options.freezeTimeMs >= 0) {
      this.#adapt(nowMs);
      if (this.#dropProbability > 0 && this.#random.next() < this.#dropProbability) {
        return false;
      }
    }
    this.#tokens -= needed;
    return true;
  }

  #weightOf(kind: HandshakeKind): number {
    const { weightEnabled, globalSessionWeight, renewSessionWeight, localSessionWeight } = this.#options;
    if (!weightEnabled) {
      return 1;
    }
    return { global: globalSessionWeight, renew: renewSessionWeight, local: localSessionWeight }[kind];
  }

  #refill(nowMs: number): void {
    const { fillTimeMs } = this.#options;
    const fills = Math.floor((nowMs - this.#lastFillMs) / Math.max(1, fillTimeMs));
    if (fills > 0) {
      this.#tokens = Math.min(this.#capacity, this.#tokens + fills * this.#fillCount);
      this.#lastFillMs += fills * Math.max(1, fillTimeMs);
    }
  }

  /** Drops more often while the bucket is empty, less often while it is full enough. */
  #adapt(nowMs: number): void {
    const { freezeTimeMs, dropIncrease, dropDecrease, decreaseRatio } = this.#options;
    if (freezeTimeMs < 0 || nowMs - this.#lastChangeMs < freezeTimeMs) {
      return;
    }
    this.#lastChangeMs = nowMs;
    if (this.#tokens < 1) {
      this.#dropProbability = Math.min(1, this.#dropProbability + dropIncrease);
    } else if (this.deficit <= this.#capacity * decreaseRatio) {
      this.#dropProbability = Math.max(0, this.#dropProbability - dropDecrease);
    }
  }
}
