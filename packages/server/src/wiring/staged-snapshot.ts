/** A snapshot that comes in from outside: kept aside, checked as a whole, then put in force (disk-format.md §8). */
import { createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { OwnerRules } from '@treekeeper/protocol';
import { type Disk, UNFINISHED_PREFIX } from '../io/disk.ts';
import { snapshotName } from '../storage/format.ts';
import { readSnapshot } from '../storage/snapshot-reader.ts';
import { DataTree } from '../tree/data-tree.ts';

/** Left behind by a crash, it is removed at the next start. */
const STAGED_NAME = `${UNFINISHED_PREFIX}snapshot.restored`;

export class StagedSnapshot {
  /** The last zxid that the snapshot itself tells; 0 if it tells none. */
  readonly lastZxid: number;
  readonly #directory: string;

  private constructor(directory: string, lastZxid: number) {
    this.#directory = directory;
    this.lastZxid = lastZxid;
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
      const { lastProcessedZxid } = readSnapshot(disk, STAGED_NAME, fieldBytesMax, {
        session: () => {},
        acl: (id, acl) => tree.acls.load(id, acl),
        node: (path, data, aclId, stat) => tree.loadNode(path, data, aclId, stat),
      });
      return new StagedSnapshot(directory, lastProcessedZxid ?? 0);
    } catch (error) {
      await rm(staged, { force: true });
      throw error;
    }
  }

  /** Gives it the name of `zxid`, durably: recovery then takes it before every log up to there. */
  async commit(zxid: number): Promise<void> {
    const staged = join(this.#directory, STAGED_NAME);
    const file = await open(staged, 'r+');
    await file.sync();
    await file.close();
    await rename(staged, join(this.#directory, snapshotName(zxid)));
    const directory = await open(this.#directory, 'r');
    await directory.sync();
    await directory.close();
  }
}
