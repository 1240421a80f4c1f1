/**
 * The one order of transactions, as the logs of all servers and their leaders show it. A zxid names one transaction
 * wherever it turns up; what a leader starts from holds everything committed before it; commits follow each other
 * without holes (quorum-protocol.md §14).
 */
import { counterOf, epochOf, makeZxid } from '@treekeeper/protocol';
import { check } from '../../checkers/violation.ts';
import { describeTxn, type LoggedTxn, sameBytes, zxidText } from '../../history.ts';

interface Epoch {
  readonly leaderId: number;
  /** The last transaction before it. */
  readonly startZxid: number;
  readonly sinceMs: number;
}

export class CommittedOrder {
  /** Whatever any server has logged, committed or not. */
  readonly #logged = new Map<number, LoggedTxn>();
  readonly #epochs = new Map<number, Epoch>();
  readonly #order: LoggedTxn[] = [];
  readonly #places = new Map<number, number>();

  /** A server hands a transaction to its disk. */
  logged(txn: LoggedTxn, serverId: number): void {
    const known = this.#logged.get(txn.zxid);
    if (known === undefined) {
      this.#logged.set(txn.zxid, txn);
      return;
    }
    check(
      sameBytes(known.payload, txn.payload),
      'order',
      () => `server ${serverId} logs ${describeTxn(txn)}; that zxid was ${describeTxn(known)}`,
    );
  }

  /** The last committed transaction. */
  get lastZxid(): number {
    return this.#order.at(-1)?.zxid ?? 0;
  }

  get count(): number {
    return this.#order.length;
  }

  /** The highest zxid in any log. */
  get lastLoggedZxid(): number {
    let last = 0;
    for (const zxid of this.#logged.keys()) {
      last = Math.max(last, zxid);
    }
    return last;
  }

  at(zxid: number): LoggedTxn {
    const place = this.#places.get(zxid);
    check(place !== undefined, 'order', () => `zxid ${zxidText(zxid)} was never committed`);
    return this.#order[place];
  }

  isCommitted(zxid: number): boolean {
    return zxid === 0 || this.#places.has(zxid);
  }

  /** What was committed next after a committed zxid. */
  after(zxid: number): LoggedTxn {
    const place = zxid === 0 ? 0 : (this.#places.get(zxid) as number) + 1;
    check(place < this.#order.length, 'order', () => `nothing was committed after zxid ${zxidText(zxid)}`);
    return this.#order[place];
  }

  /** Who leads an epoch; undefined: nobody has led it so far. */
  epoch(number: number): Epoch | undefined {
    return this.#epochs.get(number);
  }

  /** A server leads an epoch from now on. Returns what is committed thereby, oldest first. */
  leads(epoch: number, leaderId: number, historyEndZxid: number, nowMs: number): LoggedTxn[] {
    const known = this.#epochs.get(epoch);
    const twice = () => `epoch ${epoch} is led by server ${leaderId}, and was by server ${known?.leaderId}`;
    check(known === undefined, 'leaders', twice);
    for (const later of this.#epochs.keys()) {
      check(later < epoch, 'leaders', () => `server ${leaderId} leads epoch ${epoch} after epoch ${later}`);
    }
    this.#epochs.set(epoch, { leaderId, startZxid: historyEndZxid, sinceMs: nowMs });
    const initial: LoggedTxn[] = [];
    let zxid = historyEndZxid;
    for (; zxid > this.lastZxid; zxid = this.#before(zxid)) {
      const txn = this.#logged.get(zxid);
      const at = zxid;
      check(txn !== undefined, 'order', () => `the leader of epoch ${epoch} has ${zxidText(at)}, which nobody logged`);
      initial.push(txn);
    }
    check(
      zxid === this.lastZxid,
      'durability',
      () =>
        `server ${leaderId} leads epoch ${epoch} with a history through ${zxidText(historyEndZxid)}, which lacks the ` +
        `committed ${zxidText(this.lastZxid)}`,
    );
    return initial.reverse();
  }

  #before(zxid: number): number {
    return counterOf(zxid) > 1 ? zxid - 1 : this.#startOf(zxid);
  }

  #startOf(zxid: number): number {
    const epoch = this.#epochs.get(epochOf(zxid));
    check(epoch !== undefined, 'leaders', () => `nobody has led the epoch of ${zxidText(zxid)}`);
    return epoch.startZxid;
  }

  /** A leader has applied the transactions up to `zxid`: the next of them, not committed yet; null: there is none. */
  nextThrough(zxid: number): LoggedTxn | null {
    const last = this.lastZxid;
    if (last >= zxid) {
      return null;
    }
    const isSameEpoch = epochOf(last) === epochOf(zxid);
    const next = isSameEpoch ? last + 1 : makeZxid(epochOf(zxid), 1);
    const hole = () => `${zxidText(zxid)} is applied, and ${zxidText(last)} was the last that was committed`;
    check(this.#before(next) === last, 'order', hole);
    const txn = this.#logged.get(next);
    check(txn !== undefined, 'order', () => `${zxidText(next)} is applied, and nobody has logged it`);
    return txn;
  }

  commit(txn: LoggedTxn): void {
    this.#places.set(txn.zxid, this.#order.length);
    this.#order.push(txn);
  }
}
