/** What is remembered of the tree's digests, and said when one is not what it should be. */
import { zxidHex } from '@treekeeper/protocol';
import type { Log } from '../io/log.ts';
import type { Metrics } from '../metrics/registry.ts';

const INTERVAL_ZXIDS = 128;
const HISTORY_MAX = 1024;

export interface RememberedDigest {
  readonly zxid: number;
  readonly digest: bigint;
}

export class Digests {
  readonly #enabled: boolean;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #history: RememberedDigest[] = [];
  #mismatchReported = false;

  constructor(enabled: boolean, metrics: Metrics, log: Log) {
    this.#enabled = enabled;
    this.#metrics = metrics;
    this.#log = log;
  }

  /** At zxids that are multiples of 128, the latest last (`hash`). */
  get history(): readonly RememberedDigest[] {
    return this.#history;
  }

  /** `zxid` has been applied, and that is the digest of the tree after it. */
  applied(zxid: number, tree: { readonly digest: bigint }): void {
    if (!this.#enabled || zxid % INTERVAL_ZXIDS !== 0) {
      return;
    }
    this.#history.push({ zxid, digest: tree.digest });
    if (this.#history.length > HISTORY_MAX) {
      this.#history.shift();
    }
  }

  /** Told once, and never fatal. `expectation` is what the digest is not, and what to do. */
  mismatch(zxid: number, expectation: string): void {
    this.#metrics.digest_mismatches_count.add(1);
    if (!this.#mismatchReported) {
      this.#mismatchReported = true;
      this.#log.error(`the tree's digest after zxid 0x${zxidHex(zxid)} is not ${expectation}`);
    }
  }
}
