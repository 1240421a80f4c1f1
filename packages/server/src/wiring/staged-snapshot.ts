/** A snapshot that comes in from outside: kept aside, checked as a whole, then put in force (disk-format.md §8). */
import { createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EPOCH_LIMIT, epochOf, type OwnerRules, zxidHex } from '@treekeeper/protocol';
import { type Disk, UNFINISHED_PREFIX } from '../io/disk.ts';
import { snapshotName } from '../storage/format.ts';
import { SnapshotReach } from '../storage/snapshot-reach.ts';
import { readSnapshot } from '../storage/snapshot-reader.ts';
import { DataTree } from '../tree/data-tree.ts';

/** Left behind by a crash, it is removed at the next start. */
const STAGED_NAME = `${UNFINISHED_PREFIX}snapshot.restored`;

export class StagedSnapshot {
  /** The last zxid that the snapshot itself tells; 0 if it tells none. */
  readonly lastZxid: number;
  readonly #directory: string;
  readonly #reach: number;

  private constructor(directory: string, lastZxid: number, reach: number) {
    this.#directory = directory;
    this.lastZxid = lastZxid;
    this.#reach = reach;
  }

  /**
   * Takes the bytes of a plain snapshot in, and loads them once for a test. Rejects when they are not a whole snapshot.
   * `directory` is that of the snapshots, `disk` reads it.
   */
  static async receive(
    directory: string,
    disk: Disk,
    fieldBytesMax: number,
    ownerRules: OwnerRules,
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<StagedSnapshot> {
    const staged = join(directory, STAGED_NAME);
    try {
      await pipeline(Readable.from(bytes), createWriteStream(staged));
      const tree = new DataTree({ digestEnabled: false, ownerRules });
      const reach = new SnapshotReach();
      const trailer = readSnapshot(disk, STAGED_NAME, fieldBytesMax, {
        session: () => {},
        acl: (id, acl) => tree.acls.load(id, acl),
        node: (path, data, aclId, stat) => {
          tree.loadNode(path, data, aclId, stat);
          reach.node(path, stat);
        },
      });
      const through = reach.through(trailer);
      if (epochOf(through) >= EPOCH_LIMIT - 1) {
        throw new RangeError(`zxid ${zxidHex(through)} leaves no zxids for what comes after it`);
      }
      return new StagedSnapshot(directory, trailer.lastProcessedZxid ?? 0, through);
    } catch (error) {
      await rm(staged, { force: true });
      throw error;
    }
  }

  /**
   * Puts it in force, durably, as what came after everything: behind `lastZxid`, the last that this server has given,
   * and behind all that the snapshot shows, lest its nodes come from the future of the tree that they are in.
   *
   * The zxid is one that no transaction has. So there is no other snapshot of it, whatever the compression, no digest
   * is compared that was of another moment, and before the next transaction there is a gap: without this snapshot
   * nothing is replayed over the history of before.
   *
   * @returns the zxid of the tree from now on
   */
  async commit(lastZxid: number): Promise<number> {
    const zxid = Math.max(lastZxid, this.#reach) + 1;
    const staged = join(this.#directory, STAGED_NAME);
    const file = await open(staged, 'r+');
    await file.sync();
    await file.close();
    await rename(staged, join(this.#directory, snapshotName(zxid)));
    const directory = await open(this.#directory, 'r');
    await directory.sync();
    await directory.close();
    return zxid;
  }
}
