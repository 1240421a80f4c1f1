/**
 * The heart of a leader: it numbers the proposals, has them logged (and sent), counts acknowledgements and moves the
 * commit watermark (quorum-protocol.md §6). Payloads are opaque. A standalone server is a leader with a quorum of one;
 * what a leader of several has to do besides is in leadership.ts.
 */
import { counterOf } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import type { Outbox } from './outbox.ts';
import type { Quorum } from './quorum.ts';

/**
 * The counter's last value: it is never used in an ensemble, where the next transaction needs a new epoch before it.
 */
const COUNTER_MAX = 0xffffffff;

/** Whose acknowledgements commit the proposals from `from` on. */
interface Rule {
  readonly from: number;
  readonly quorum: Quorum;
}

export class Leader {
  readonly #serverId: number;
  readonly #outbox: Outbox;
  readonly #ackedThrough = new Map<number, number>();
  /** In the order of proposals. Acknowledgements are judged by the rule in force when a transaction was proposed. */
  readonly #rules: Rule[];
  #lastProposed: number;
  #committed: number;
  #limit = Number.POSITIVE_INFINITY;
  #open = true;

  /** Starts from a history that ends at `lastZxid`, all of it committed. */
  constructor(serverId: number, quorum: Quorum, lastZxid: number, outbox: Outbox) {
    this.#serverId = serverId;
    this.#rules = [{ from: lastZxid, quorum }];
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

  /** False while leadership is being handed over: what is not proposed yet is kept, or left to the next leader. */
  get open(): boolean {
    return this.#open;
  }

  set open(open: boolean) {
    this.#open = open;
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
    this.#advance();
  }

  /** How far a server has acknowledged. */
  ackedThrough(serverId: number): number {
    return this.#ackedThrough.get(serverId) ?? -1;
  }

  /**
   * What this server acknowledged counts no more for what is not committed: its link is gone, and when it joins again,
   * it may be told to cut off (TRUNC) the very transactions it has acknowledged.
   */
  forget(serverId: number): void {
    this.#ackedThrough.delete(serverId);
  }

  /** The proposals that follow are committed by this quorum. */
  useQuorum(quorum: Quorum): void {
    this.#rules.push({ from: this.#lastProposed + 1, quorum });
  }

  /**
   * Whatever is not committed yet is committed by this quorum, also what was proposed while the members before had a
   * say. They may have left, and need not be asked: nobody can be elected any more without a quorum of the new members.
   */
  replaceQuorum(quorum: Quorum): void {
    this.#rules.splice(0, this.#rules.length, { from: this.#committed + 1, quorum });
    this.#advance();
  }

  /** Nothing after `zxid` is committed until this is called again with a higher one (a change of membership, §9.3). */
  limitCommits(zxid: number): void {
    this.#limit = zxid;
    this.#advance();
  }

  #advance(): void {
    const rules = this.#rules;
    for (;;) {
      const end = rules.length > 1 ? rules[1].from - 1 : Number.POSITIVE_INFINITY;
      const reached = Math.min(rules[0].quorum.committedThrough(this.#ackedThrough), end, this.#limit);
      if (reached > this.#committed) {
        this.#committed = reached;
      }
      if (this.#committed < end) {
        return;
      }
      rules.shift();
    }
  }
}
