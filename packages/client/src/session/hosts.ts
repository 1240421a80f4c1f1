import { limits } from '../limits.ts';
import type { HostPort } from './types.ts';

/** Whose turn it is: round robin over an order that was drawn once (client-protocol.md §14). */
export class Hosts {
  readonly #hosts: readonly HostPort[];
  readonly #random: () => number;
  #next = 0;
  /** Attempts since the last success. */
  #attempts = 0;

  constructor(hosts: readonly HostPort[], shuffle: boolean, random: () => number) {
    this.#hosts = shuffle ? shuffled(hosts, random) : hosts;
    this.#random = random;
  }

  get count(): number {
    return this.#hosts.length;
  }

  next(): HostPort {
    const host = this.peek();
    this.#next = (this.#next + 1) % this.#hosts.length;
    this.#attempts++;
    return host;
  }

  /** As `next`, without counting as an attempt. */
  look(): HostPort {
    const host = this.peek();
    this.#next = (this.#next + 1) % this.#hosts.length;
    return host;
  }

  peek(): HostPort {
    return this.#hosts[this.#next] as HostPort;
  }

  /** This one is next. */
  prefer(host: HostPort): void {
    const at = this.#hosts.findIndex((other) => other.host === host.host && other.port === host.port);
    this.#next = Math.max(0, at);
  }

  succeeded(): void {
    this.#attempts = 0;
  }

  /** How long to wait before the next attempt: not at all within a round, longer from round to round. */
  pauseMs(): number {
    if (this.#attempts === 0 || this.#attempts % this.#hosts.length !== 0) {
      return 0;
    }
    const rounds = Math.min(this.#attempts / this.#hosts.length, ROUNDS_MAX);
    const pauseMs = Math.min(limits.roundPauseMaxMs, limits.roundPauseMinMs * 2 ** (rounds - 1));
    return pauseMs * (1 - this.#random() / 2);
  }
}

/** Far beyond the longest pause, and far below what a number can hold. */
const ROUNDS_MAX = 30;

/** A random element. */
export function pick<T>(items: readonly T[], random: () => number): T {
  return items[Math.floor(random() * items.length)] as T;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}
