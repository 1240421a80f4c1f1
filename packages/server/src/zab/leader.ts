/**
 * The leader's part of Zab's broadcast phase (quorum-protocol.md §6): it numbers the proposals, has them logged, counts
 * acknowledgements and moves the commit watermark. Payloads are opaque. Time and disk come in as arguments and calls.
 */
import { counterOf } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import type { Outbox } from './outbox.ts';
import type { Quorum } from './quorum.ts';

/** The counter's last value: the next transaction needs a new epoch, that is an election. */
const COUNTER_MAX = 0xffffffff;

export class Leader {
  readonly #serverId: number;
  readonly #quorum: Quorum;
  readonly #outbox: Outbox;
  readonly #ackedThrough = new Map<number, number>();
  #lastProposed: number;
  #committed: number;

  /** Starts from a history that ends at `lastZxid`, all of it committed. */
  constructor(serverId: number, quorum: Quorum, lastZxid: number, outbox: Outbox) {
    this.#serverId = serverId;
    this.#quorum = quorum;
    this.#outbox = outbox;
    this.#lastProposed = lastZxid;
    this.#committed = lastZxid;
  }

  get lastProposed(): number {
    return this.#lastProposed;
  }

  /** Everything up to here is committed: it may be applied and answered. */
  get committed(): number {
    return this.#committed;
  }

  /**
   * The zxid that the next proposal has to carry. An ensemble of one goes on into the next epoch when the counter is
   * used up (nobody else could have used that epoch), skipping counter 0, which belongs to no transaction.
   */
  nextZxid(): number {
    const next = this.#lastProposed + 1;
    return counterOf(this.#lastProposed) === COUNTER_MAX ? next + 1 : next;
  }

  /** Proposes a payload under `nextZxid()`. */
  propose(zxid: number, payload: Uint8Array): void {
    assert(zxid === this.nextZxid(), 'proposals are numbered without gaps');
    this.#lastProposed = zxid;
    this.#outbox.append(zxid, payload);
  }

  /** This server's log is on disk through `zxid`. */
  synced(zxid: number): void {
    this.acknowledged(this.#serverId, zxid);
  }

  /** A voter has logged everything through `zxid`. */
  acknowledged(serverId: number, zxid: number): void {
    assert(zxid <= this.#lastProposed, 'nobody acknowledges what was not proposed');
    this.#ackedThrough.set(serverId, zxid);
    const committed = this.#quorum.committedThrough(this.#ackedThrough);
    if (committed > this.#committed) {
      this.#committed = committed;
    }
  }
}
