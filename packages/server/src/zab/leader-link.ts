/** The leader as its learner reaches it: dialling, with a few tries, and then the bytes in and out (§5.2). */
import { JuteWriter } from '@treekeeper/protocol';
import type { Link } from '../io/peers.ts';
import { PacketStream } from './packet-stream.ts';
import { detachOutput, OUTPUT_CAPACITY_BYTES } from './packets.ts';

/** In about half a second, with the default of the longest pause. */
export const CONNECT_TRIES_MAX = 10;
/**
 * The leader opens its port only when it knows that it leads, which may be a little later than its learners know: the
 * first pauses between tries are short, since nobody can write meanwhile. Each is twice as long as the one before.
 */
const FIRST_PAUSE_MS = 2;

export interface Dialled {
  readonly serverId: number;
  readonly link: Link;
}

export type Dial = (attempt: number, timeoutMs: number) => Dialled;

export class LeaderLink {
  readonly input: PacketStream;
  readonly output = new JuteWriter(OUTPUT_CAPACITY_BYTES);
  readonly #dial: Dial;
  readonly #connectDeadlineMs: number;
  readonly #pauseMsMax: number;
  #pauseMs = FIRST_PAUSE_MS;
  #link: Link | null;
  #serverId: number;
  #isOpen = false;
  #isHeard = false;
  #tries = 1;
  #retryAtMs = Number.POSITIVE_INFINITY;

  /**
   * Dials at once.
   *
   * @param dial where to: in the order of the tries, from 0 on
   * @param pauseMsMax between two tries
   */
  constructor(dial: Dial, fieldBytesMax: number, connectLimitMs: number, pauseMsMax: number, nowMs: number) {
    this.#dial = dial;
    this.#pauseMsMax = pauseMsMax;
    this.input = new PacketStream(fieldBytesMax);
    this.#connectDeadlineMs = nowMs + connectLimitMs;
    const { serverId, link } = dial(0, connectLimitMs);
    this.#serverId = serverId;
    this.#link = link;
  }

  /** Who was dialled last. */
  get serverId(): number {
    return this.#serverId;
  }

  owns(link: unknown): boolean {
    return this.#link === link;
  }

  opened(): void {
    this.#isOpen = true;
    this.#retryAtMs = Number.POSITIVE_INFINITY;
  }

  receive(bytes: Uint8Array): void {
    this.#isHeard = true;
    this.input.push(bytes);
  }

  /**
   * Something has come from the leader. A link that is open does not say that it is there: what stands in front of its
   * port (a proxy, a balancer) may take links before the leader listens, and then closes them.
   */
  get isHeard(): boolean {
    return this.#isHeard;
  }

  /** Dialling has failed, or came to nothing. False when there shall be no further try. */
  retry(nowMs: number): boolean {
    this.#link = null;
    this.#isOpen = false;
    if (this.output.length > 0) {
      detachOutput(this.output); // it was for the link that is gone
    }
    this.#retryAtMs = nowMs + Math.min(this.#pauseMs, this.#pauseMsMax);
    this.#pauseMs *= 2;
    return this.#tries < CONNECT_TRIES_MAX && this.#retryAtMs < this.#connectDeadlineMs;
  }

  get deadlineMs(): number {
    return this.#isOpen ? Number.POSITIVE_INFINITY : Math.min(this.#retryAtMs, this.#connectDeadlineMs);
  }

  /** False when connecting has taken too long. */
  tick(nowMs: number): boolean {
    if (this.#isOpen) {
      return true;
    }
    if (nowMs >= this.#connectDeadlineMs) {
      return false;
    }
    if (nowMs >= this.#retryAtMs) {
      this.#retryAtMs = Number.POSITIVE_INFINITY;
      const { serverId, link } = this.#dial(this.#tries, this.#connectDeadlineMs - nowMs);
      this.#serverId = serverId;
      this.#link = link;
      this.#tries++;
    }
    return true;
  }

  flush(): void {
    if (this.output.length > 0) {
      this.#link?.write(detachOutput(this.output));
    }
  }

  close(): void {
    this.#link?.close();
    this.#link = null;
  }
}
