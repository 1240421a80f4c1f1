import { type HostClock, NodeClock } from '@treekeeper/server';

/** The real clock, which can be held back and moved by hand. It never goes backwards. */
export class HeldClock implements HostClock {
  readonly #real = new NodeClock();
  /** How far it is behind the real clock (or, negative, ahead of it), ms; and its wall clock behind the real one. */
  #behindMs = 0;
  #wallBehindMs = 0;
  #held = false;
  nowMs = this.#real.nowMs;
  wallMs = this.#real.wallMs;

  get held(): boolean {
    return this.#held;
  }

  hold(): void {
    this.#held = true;
  }

  /** Goes on from where it stands: the time that has passed meanwhile has not passed here. */
  release(): void {
    if (this.#held) {
      this.#held = false;
      this.#real.advance();
      this.#behindMs = this.#real.nowMs - this.nowMs;
      this.#wallBehindMs = this.#real.wallMs - this.wallMs;
    }
  }

  /** Moves it at once, held or not. */
  skip(ms: number): void {
    this.#behindMs -= ms;
    this.#wallBehindMs -= ms;
    this.nowMs += ms;
    this.wallMs += ms;
  }

  advance(): void {
    if (!this.#held) {
      this.#real.advance();
      this.nowMs = this.#real.nowMs - this.#behindMs;
      this.wallMs = this.#real.wallMs - this.#wallBehindMs;
    }
  }
}
