/** How far into the history a snapshot reaches: it goes on changing while it is written (disk-format.md §3.6). */
import { type StatPersisted, zxidNumber } from '@treekeeper/protocol';
import type { SnapshotTrailer } from './snapshot-reader.ts';

/** Its version and time are set in memory, by no transaction (disk-format.md §3.6). */
const CONFIG_PATH = '/zookeeper/config';

/** Is shown all nodes of a snapshot, while that is read. */
export class SnapshotReach {
  #last = 0n;

  node(path: string, { czxid, mzxid, pzxid }: StatPersisted): void {
    for (const zxid of path === CONFIG_PATH ? [] : [czxid, mzxid, pzxid]) {
      if (zxid > this.#last) {
        this.#last = zxid;
      }
    }
  }

  /** The last transaction that anything in the snapshot shows. Throws RangeError beyond the server's range. */
  through({ digest, lastProcessedZxid }: SnapshotTrailer): number {
    return Math.max(zxidNumber(this.#last), digest?.zxid ?? 0, lastProcessedZxid ?? 0);
  }
}
