/** Which transactions are really on a server's disk: what a quorum must hold before anything counts as committed. */
import type { DiskStep } from '@treekeeper/server/internal';
import type { LoggedTxn } from '../../history.ts';

interface LogFile {
  readonly dsync: boolean;
  /** Written, and lost with the power. */
  unsynced: number[];
}

export class Holdings {
  readonly #files = new Map<number, LogFile>();
  readonly #inBytes = new WeakMap<Uint8Array, readonly number[]>();
  readonly #durable = new Set<number>();
  /** No zxid in `#durable` is above this. */
  #durableMax = 0;
  /** Everything through this zxid is in a snapshot. */
  #snapshotZxid = 0;

  /** A step with these transactions is on its way to the disk. */
  submitted(step: DiskStep, txns: readonly LoggedTxn[]): void {
    const [first] = txns;
    if (step.op !== 'write' || first === undefined) {
      return;
    }
    this.#inBytes.set(
      step.bytes,
      txns.map(({ zxid }) => zxid),
    );
    this.#forgetFrom(first.zxid); // it had been cut off
  }

  #forgetFrom(zxid: number): void {
    if (zxid > this.#durableMax) {
      return;
    }
    for (const held of this.#durable) {
      if (held >= zxid) {
        this.#durable.delete(held);
      }
    }
    this.#durableMax = zxid - 1;
  }

  #hold(zxid: number): void {
    this.#durable.add(zxid);
    this.#durableMax = Math.max(this.#durableMax, zxid);
  }

  /** The disk has done a step. */
  done(step: DiskStep): void {
    switch (step.op) {
      case 'create':
        if (step.area === 'log') {
          this.#files.set(step.file, { dsync: step.dsync, unsynced: [] });
        }
        return;
      case 'write':
        return this.#written(step.file, this.#inBytes.get(step.bytes) ?? []);
      case 'sync':
        for (const zxid of this.#files.get(step.file)?.unsynced.splice(0) ?? []) {
          this.#hold(zxid);
        }
        return;
      case 'rename':
        if (step.to.startsWith('snapshot.')) {
          this.#snapshotZxid = Number.parseInt(step.to.split('.')[1], 16);
        }
        return;
    }
  }

  #written(file: number, zxids: readonly number[]): void {
    const log = this.#files.get(file);
    for (const zxid of zxids) {
      if (log?.dsync === true) {
        this.#hold(zxid);
      } else {
        log?.unsynced.push(zxid);
      }
    }
  }

  /** A process has recovered through `zxid` what it found, and made that durable. */
  recovered(zxid: number): void {
    this.#forgetFrom(zxid + 1);
    this.#snapshotZxid = Math.max(this.#snapshotZxid, zxid);
    this.#files.clear();
  }

  wiped(): void {
    this.#durable.clear();
    this.#files.clear();
    this.#snapshotZxid = 0;
  }

  has(zxid: number): boolean {
    return zxid <= this.#snapshotZxid || this.#durable.has(zxid);
  }
}
