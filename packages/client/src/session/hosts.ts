import { limits } from '../limits.ts';
import type { HostPort } from './types.ts';

/** Whose turn it is: round robin over an order that was drawn once (client-protocol.md §14). */
export class Hosts {
  #hosts: readonly HostPort[];
  readonly #shuffle: boolean;
  readonly #random: () => number;
  #next = 0;
  /** Attempts since a connection has lasted. */
  #attempts = 0;
  #hasServed = false;
  /** Since when the connection that there is serves; Infinity: there is none. */
  #servesSinceMs = Number.POSITIVE_INFINITY;
  /** What was wrong with each server the last time. */
  readonly #faults = new Map<string, string>();
  /** Those with which no connection came about the last time. */
  readonly #silent = new Set<string>();

  constructor(hosts: readonly HostPort[], shuffle: boolean, random: () => number) {
    this.#hosts = shuffle ? shuffled(hosts, random) : hosts;
    this.#shuffle = shuffle;
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
    this.#next = Math.max(0, this.#hosts.findIndex(sameAs(host)));
  }

  has(host: HostPort): boolean {
    return this.#hosts.some(sameAs(host));
  }

  /**
   * Other servers from now on. True: the client at `current` is to leave it for the next one, because it is gone, or
   * so that all clients, each of which throws its own dice, are spread over the new servers as evenly as over the old.
   */
  replace(hosts: readonly HostPort[], current: HostPort | null): boolean {
    const before = this.#hosts;
    this.#hosts = this.#shuffle ? shuffled(hosts, this.#random) : hosts;
    this.#next = 0;
    this.#attempts = 0;
    const target = this.#shuffle ? moveTo(before, this.#hosts, current, this.#random) : null;
    if (target !== null) {
      this.prefer(target);
    }
    return current !== null && (target !== null || !this.has(current));
  }

  /**
   * A connection serves. That alone is no success, or a session that is taken over and over again, or has a server that
   * cannot bear it, would be connected without end and without a pause. Of the very first one it is believed.
   */
  succeeded(nowMs: number): void {
    if (!this.#hasServed) {
      this.#hasServed = true;
      this.#attempts = 0;
    }
    this.#servesSinceMs = nowMs;
    this.#faults.clear();
    this.#silent.clear();
  }

  /**
   * An attempt, or the connection that came of it, is over. A connection that has lasted has made up for the attempts
   * before it.
   * @param isSilent no connection came about, or none that can be used
   */
  failed(host: HostPort | null, reason: string, isSilent: boolean, nowMs: number): void {
    if (nowMs - this.#servesSinceMs >= limits.connectionLastsMs) {
      this.#attempts = 0;
    }
    this.#servesSinceMs = Number.POSITIVE_INFINITY;
    if (host !== null) {
      const name = nameOf(host);
      this.#faults.set(name, reason);
      this.#silent.delete(name);
      if (isSilent) {
        this.#silent.add(name);
      }
    }
  }

  get areAllSilent(): boolean {
    return this.#hosts.every((host) => this.#silent.has(nameOf(host)));
  }

  /** `host:port: reason; ...` since the last success; '' if there are none. */
  get faults(): string {
    return [...this.#faults].map(([host, reason]) => `${host}: ${reason}`).join('; ');
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

const sameAs =
  (host: HostPort) =>
  (other: HostPort): boolean =>
    other.host === host.host && other.port === host.port;

/**
 * To which server a client moves when the list changes; null: it stays, or any will do. With S servers before and T
 * after, each had 1/S of the clients and is to have 1/T. If there are more now, each that stays gives 1 - S/T of its
 * clients to the added ones. If there are fewer, each that stays lacks 1/T - 1/S: those come from the removed ones,
 * whose other clients go to the added ones.
 */
function moveTo(
  before: readonly HostPort[],
  after: readonly HostPort[],
  current: HostPort | null,
  random: () => number,
): HostPort | null {
  const kept = after.filter((host) => before.some(sameAs(host)));
  const added = after.filter((host) => !kept.includes(host));
  const removed = before.length - kept.length;
  const growth = after.length - before.length;
  if (current === null || kept.some(sameAs(current))) {
    const isMoving = current !== null && growth > 0 && random() < growth / after.length;
    return isMoving ? pick(added, random) : null;
  }
  const toKept = (kept.length * Math.max(0, -growth)) / (after.length * removed);
  const choice = added.length === 0 || (kept.length > 0 && random() < toKept) ? kept : added;
  return pick(choice, random);
}

function nameOf({ host, port }: HostPort): string {
  return `${host}:${port}`;
}

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
