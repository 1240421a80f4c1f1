/** While a read-only server serves us: looks for one that is not (client-protocol.md §2.8). */
import { limits } from '../limits.ts';
import type { Hosts } from './hosts.ts';
import type { HostPort, SessionOutput } from './types.ts';

const READ_WRITE = 'rw';

export class ReadWriteSearch {
  readonly #hosts: Hosts;
  readonly #outputs: SessionOutput[];
  /** When to ask the next one; Infinity while an answer is awaited. */
  #dueMs = Number.POSITIVE_INFINITY;
  #pauseMs: number = limits.readWriteSearchMinMs;
  #probe = 0;
  #asked: HostPort | null = null;
  #isNeeded = false;

  constructor(hosts: Hosts, outputs: SessionOutput[]) {
    this.#hosts = hosts;
    this.#outputs = outputs;
  }

  get dueMs(): number {
    return this.#dueMs;
  }

  /** The server behind the connection is read-only. */
  get isNeeded(): boolean {
    return this.#isNeeded;
  }

  /** On a new connection. */
  reset(nowMs: number, isNeeded: boolean): void {
    this.#isNeeded = isNeeded;
    this.#probe++;
    this.#pauseMs = limits.readWriteSearchMinMs;
    this.#dueMs = isNeeded ? nowMs + this.#pauseMs : Number.POSITIVE_INFINITY;
  }

  tick(nowMs: number): void {
    if (nowMs >= this.#dueMs) {
      this.#asked = this.#hosts.look();
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#outputs.push({ kind: 'probe', probe: ++this.#probe, ...this.#asked });
    }
  }

  /** True: found, and the next attempt goes there. */
  answered(probe: number, answer: string | null, nowMs: number): boolean {
    if (probe !== this.#probe || this.#asked === null) {
      return false;
    }
    if (answer === READ_WRITE) {
      this.#hosts.prefer(this.#asked);
      return true;
    }
    this.#dueMs = nowMs + this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, limits.readWriteSearchMaxMs);
    return false;
  }
}
