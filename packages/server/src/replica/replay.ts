/** Applies logged transactions to a world: in recovery, and while a learner gets its history. */
import { JuteError, type JuteReader } from '@treekeeper/protocol';
import { txnKindOf } from '../operations/index.ts';
import type { World } from '../operations/operation.ts';
import { type LoggedTxnHeader, TxnSplitter, UnknownTxnTypeError } from '../storage/txn-body.ts';

/**
 * Applies one. Its effect may be there already (fuzzy snapshots): what then goes wrong is no fault. `txn` decodes with
 * the record of the header's type, which must be one that stands on its own.
 */
export function replay(
  world: World,
  { clientId: sessionId, zxid, timeMs, type }: LoggedTxnHeader,
  txn: JuteReader,
): void {
  const kind = txnKindOf(type);
  if (kind === undefined) {
    throw new JuteError('OUT_OF_RANGE', `a transaction of type ${type}, which does not stand on its own`);
  }
  kind.apply(world, kind.record.decode(txn), { sessionId, zxid, timeMs });
  const { tree } = world;
  tree.lastZxid = Math.max(tree.lastZxid, zxid);
}

/** Takes proposals apart. One splitter serves many: what it hands out is valid until the next call. */
export class PayloadReader {
  readonly #splitter = new TxnSplitter();

  get txn(): JuteReader {
    return this.#splitter.txn;
  }

  /** Throws JuteError when the payload is not the transaction `zxid`. */
  split(zxid: number, payload: Uint8Array): ReturnType<TxnSplitter['split']> {
    try {
      const split = this.#splitter.split(payload, 0, payload.length);
      if (split.header.zxid !== zxid) {
        throw new JuteError('OUT_OF_RANGE', `a proposal ${zxid} with a transaction ${split.header.zxid} in it`);
      }
      return split;
    } catch (error) {
      if (error instanceof UnknownTxnTypeError || error instanceof RangeError) {
        throw new JuteError('OUT_OF_RANGE', error.message);
      }
      throw error;
    }
  }
}
