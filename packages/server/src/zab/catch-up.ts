/**
 * What a learner does with the transactions that come between the first packet of synchronisation and UPTODATE
 * (quorum-protocol.md §5.8, §5.9). Committed ones must be on disk before NEWLEADER is acknowledged, and in memory;
 * those that are not committed yet wait until the leader says that it leads.
 */
import { assert } from '../assert.ts';
import { type CommittedLog, follows } from './committed-log.ts';
import type { Database, Entry } from './environment.ts';
import { HoleFault, ProtocolFault } from './following.ts';

export class CatchUp {
  readonly #database: Database;
  readonly #committedLog: CommittedLog;
  readonly #pending: Entry[] = [];
  /** Of the pending ones, from the first on. */
  #committedCount = 0;
  #lastProposed: number | null = null;
  #isInMemory: boolean;
  readonly #logs: boolean;

  /**
   * @param isInMemory after SNAP and TRUNC: what is committed is applied at once, and goes to disk in a snapshot. After
   *   DIFF it waits, and goes to the log.
   * @param logs false: nothing goes to the log (syncEnabled)
   */
  constructor(database: Database, committedLog: CommittedLog, isInMemory: boolean, logs: boolean) {
    this.#database = database;
    this.#committedLog = committedLog;
    this.#isInMemory = isInMemory;
    this.#logs = logs;
  }

  /** Memory holds what is not on disk: if synchronisation fails now, it has to be loaded again. */
  get isInMemory(): boolean {
    return this.#isInMemory;
  }

  /** The last transaction of which this learner knows that it is committed. */
  get committedThrough(): number {
    return this.#pending[this.#committedCount - 1]?.zxid ?? this.#database.lastZxid;
  }

  /**
   * A transaction has been proposed. Throws HoleFault: a hole in the history must never be passed over. Leaders of
   * 3.9.3, and before 3.6, may have one in their window (§16). What a snapshot shows already may come once more.
   */
  proposed(entry: Entry): void {
    const { lastZxid } = this.#database;
    const isShown = this.#isInMemory && this.#lastProposed === null && entry.zxid <= lastZxid;
    const previous = this.#lastProposed ?? lastZxid;
    if (!isShown && !follows(previous, entry.zxid)) {
      throw new HoleFault(`proposed zxid 0x${entry.zxid.toString(16)} after 0x${previous.toString(16)}`);
    }
    this.#lastProposed = entry.zxid;
    this.#pending.push(entry);
  }

  /** The oldest one that was not committed is. Throws ProtocolFault when it is another. */
  committed(zxid: number): void {
    const entry = this.#pending[this.#committedCount];
    if (entry?.zxid !== zxid) {
      const expected = entry === undefined ? 'nothing' : `zxid 0x${entry.zxid.toString(16)}`;
      throw new ProtocolFault(`committed zxid 0x${zxid.toString(16)}, where ${expected} was to be committed next`);
    }
    if (this.#isInMemory) {
      this.#pending.shift();
      this.#apply(entry);
    } else {
      this.#committedCount++;
    }
  }

  /** Idempotent: a snapshot may be newer than what is sent behind it. */
  #apply(entry: Entry): void {
    if (entry.zxid > this.#database.lastZxid) {
      this.#database.apply(entry.zxid, entry.payload);
      this.#committedLog.append(entry, this.#database.lastZxid);
    }
  }

  /**
   * NEWLEADER has come: everything committed goes to the log and to memory. Returns what has to be on disk; null:
   * nothing. Throws JuteError when one is no transaction; it and those behind it are neither logged nor applied.
   */
  store(): number | null {
    assert(!this.#isInMemory || this.#committedCount === 0, 'in memory nothing waits that is committed');
    const before = this.#database.lastZxid;
    for (const entry of this.#pending.splice(0, this.#committedCount)) {
      this.#apply(entry);
      if (this.#logs) {
        this.#database.append(entry.zxid, entry.payload);
      }
    }
    this.#committedCount = 0;
    const { lastZxid } = this.#database;
    return this.#logs && lastZxid !== before ? lastZxid : null;
  }

  /** Everything in memory is on disk. */
  stored(): void {
    this.#isInMemory = false;
  }

  /** UPTODATE has come: what is left, and how many of it are committed, goes the normal way. */
  finish(): { readonly pending: readonly Entry[]; readonly committedCount: number } {
    return { pending: this.#pending, committedCount: this.#committedCount };
  }
}
