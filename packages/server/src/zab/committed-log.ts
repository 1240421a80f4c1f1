/**
 * The latest committed transactions, in memory: the window W out of which learners that lag a little are brought up to
 * date (quorum-protocol.md §5.6). It is a suffix of the history, without a hole.
 */
import { counterOf, epochOf } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import type { Entry } from './environment.ts';

export interface CommittedLogLimits {
  readonly entriesMax: number;
  readonly sizeBytesMax: number;
}

const NO_BYTES = new Uint8Array(0);

export class CommittedLog {
  readonly #limits: CommittedLogLimits;
  #entries: Entry[] = [];
  /** Those before it have been forgotten. */
  #head = 0;
  #sizeBytes = 0;
  #base: number;

  constructor(base: number, limits: CommittedLogLimits) {
    this.#base = base;
    this.#limits = limits;
  }

  /** The last transaction before the window: all that came after it is in here. */
  get base(): number {
    return this.#base;
  }

  /** The last transaction of the history; the base when the window is empty. */
  get last(): number {
    return this.#entries.at(-1)?.zxid ?? this.#base;
  }

  get length(): number {
    return this.#entries.length - this.#head;
  }

  /** Of all payloads that are kept. */
  get sizeBytes(): number {
    return this.#entries.reduce((sum, { payload }) => sum + payload.length, 0);
  }

  /**
   * Adds the next transaction of the history. What exceeds the limits is forgotten from the old end, but for
   * transactions after `appliedZxid`: a snapshot taken now does not have them.
   */
  append(entry: Entry, appliedZxid: number): void {
    assert(follows(this.last, entry.zxid), 'the window has no hole');
    this.#entries.push(entry);
    this.#sizeBytes += entry.payload.length;
    while (
      (this.length > this.#limits.entriesMax || this.#sizeBytes > this.#limits.sizeBytesMax) &&
      this.#entries[this.#head]?.zxid <= appliedZxid
    ) {
      this.#forgetOldest();
    }
  }

  #forgetOldest(): void {
    const { zxid, payload } = this.#entries[this.#head];
    this.#base = zxid;
    this.#sizeBytes -= payload.length;
    this.#entries[this.#head] = { zxid, payload: NO_BYTES }; // it leaves the array later, its payload memory now
    this.#head++;
    if (this.#head >= this.#limits.entriesMax) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Those after `zxid`, which must not lie before the base. */
  after(zxid: number): readonly Entry[] {
    assert(zxid >= this.#base, 'the window reaches back so far');
    let from = this.#entries.length;
    while (from > this.#head && this.#entries[from - 1].zxid > zxid) {
      from--;
    }
    return this.#entries.slice(from);
  }

  /** Begins anew behind a history that ends at `base` and is not in here. */
  reset(base: number): void {
    this.#entries = [];
    this.#head = 0;
    this.#sizeBytes = 0;
    this.#base = base;
  }

  /** The history has been cut behind `zxid`. */
  truncate(zxid: number): void {
    if (zxid < this.#base) {
      this.reset(zxid);
      return;
    }
    while (this.length > 0 && this.last > zxid) {
      this.#sizeBytes -= this.#entries.pop()?.payload.length ?? 0;
    }
  }
}

/** Whether `zxid` can come directly after `previous`: the next of the same epoch, or any of a later one. */
export function follows(previous: number, zxid: number): boolean {
  return zxid === previous + 1 || (epochOf(zxid) > epochOf(previous) && counterOf(zxid) > 0);
}
