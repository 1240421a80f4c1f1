/**
 * A server's disk as plain data, and the database above it: a history of opaque transactions is all its state. What
 * takes time waits in a queue until the explorer has the disk do it.
 */
import { JuteReader, JuteWriter, SNAP_STREAM_END } from '@treekeeper/protocol';
import type {
  Database,
  Entry,
  EpochName,
  LogWalk,
  SnapshotIncoming,
  SnapshotOutgoing,
} from '@treekeeper/server/internal';
import { check } from '../checkers/violation.ts';

export interface Transaction {
  readonly zxid: number;
  readonly text: string;
}

/** What survives a crash. Never changed in place. */
export interface DiskState {
  /** All transactions through its zxid. */
  readonly snapshot: { readonly zxid: number; readonly transactions: readonly Transaction[] };
  readonly log: readonly Transaction[];
  readonly acceptedEpoch: number;
  readonly currentEpoch: number;
}

export const EMPTY_DISK: DiskState = {
  snapshot: { zxid: 0, transactions: [] },
  log: [],
  acceptedEpoch: 0,
  currentEpoch: 0,
};

/** The history that a server would find there. */
export function historyOn({ snapshot, log }: DiskState): Transaction[] {
  return [...snapshot.transactions, ...log.filter(({ zxid }) => zxid > snapshot.zxid)];
}

function lastZxidOn(disk: DiskState): number {
  return Math.max(disk.snapshot.zxid, disk.log.at(-1)?.zxid ?? 0);
}

/** A step of the disk, and what the server is told when it is done. */
interface Step {
  readonly apply: (disk: DiskState) => DiskState;
  readonly done: () => void;
}

/** Whom the database tells that something is on disk. */
export interface Told {
  logSynced(zxid: number): void;
  epochPersisted(name: EpochName): void;
  snapshotWritten(): void;
  truncated(isDone: boolean): void;
}

export class ModelDatabase implements Database {
  readonly damage = null;
  condemn(): void {}
  readonly isUnlogged = false;
  readonly snapshotSizeBytes = 1e6;
  disk: DiskState;
  lastZxid: number;
  /** What is applied, in order. */
  transactions: Transaction[];
  readonly #told: Told;
  readonly #steps: Step[] = [];
  #appended: Transaction[] = [];

  constructor(disk: DiskState, told: Told) {
    this.#told = told;
    this.lastZxid = lastZxidOn(disk);
    this.transactions = historyOn(disk);
    // A crash between the history and its epoch leaves the epoch behind (quorum-protocol.md §12).
    const currentEpoch = Math.max(disk.currentEpoch, Math.floor(this.lastZxid / 2 ** 32));
    this.disk = { ...disk, currentEpoch, acceptedEpoch: Math.max(disk.acceptedEpoch, currentEpoch) };
  }

  get acceptedEpoch(): number {
    return this.disk.acceptedEpoch;
  }

  get currentEpoch(): number {
    return this.disk.currentEpoch;
  }

  // The disk

  get isAtWork(): boolean {
    return this.#steps.length > 0;
  }

  /** The disk does what it was asked for first. Returns what the server is told then. */
  step(): () => void {
    const step = this.#steps.shift() as Step;
    this.disk = step.apply(this.disk);
    return step.done;
  }

  /** What a crash may leave: what the disk is doing may be done already, or not. */
  get afterCrash(): readonly DiskState[] {
    const first = this.#steps[0];
    return first === undefined ? [this.disk] : [this.disk, first.apply(this.disk)];
  }

  append(zxid: number, payload: Uint8Array): void {
    this.#appended.push({ zxid, text: textOf(payload) });
  }

  /** At the end of a turn: what was appended goes to the disk in one batch. */
  flush(): void {
    if (this.#appended.length > 0) {
      const batch = this.#appended;
      this.#appended = [];
      this.#steps.push({
        apply: (disk) => ({ ...disk, log: [...disk.log, ...batch] }),
        done: () => this.#told.logSynced(batch[batch.length - 1].zxid),
      });
    }
  }

  persistEpoch(name: EpochName, epoch: number): void {
    this.#steps.push({
      apply: (disk) => ({ ...disk, [name]: epoch }),
      done: () => this.#told.epochPersisted(name),
    });
  }

  writeSnapshot(): void {
    const snapshot = { zxid: this.lastZxid, transactions: [...this.transactions] };
    this.#steps.push({
      apply: (disk) => ({ ...disk, snapshot, log: [] }),
      done: () => this.#told.snapshotWritten(),
    });
  }

  truncate(zxid: number): void {
    const reachesBack = ({ snapshot, log }: DiskState) =>
      snapshot.zxid === zxid || (snapshot.zxid < zxid && log.some((entry) => entry.zxid === zxid));
    this.#steps.push({
      apply: (disk) => (reachesBack(disk) ? { ...disk, log: disk.log.filter((entry) => entry.zxid <= zxid) } : disk),
      done: () => {
        this.reload();
        this.#told.truncated(this.lastZxid === zxid);
      },
    });
  }

  readLog(zxid: number): LogWalk | null {
    const { log } = this.disk;
    let at = log.findLastIndex((entry) => entry.zxid <= zxid);
    return at < 0 ? null : { next: () => (at < log.length ? entryOf(log[at++]) : null) };
  }

  // Memory

  /** Everything is on disk: what the log has beyond memory comes to memory, and then the two must be one (§6.4). */
  replay(): void {
    const held = this.transactions.map(({ zxid }) => zxid);
    const logged = historyOn(this.disk);
    const isPart = held.length <= logged.length && held.every((zxid, i) => zxid === logged[i].zxid);
    check(isPart, 'memory is what the log is', () => `${held.map(String)} is no beginning of the log`);
    this.reload();
  }

  reload(): void {
    this.transactions = historyOn(this.disk);
    this.lastZxid = lastZxidOn(this.disk);
  }

  apply(zxid: number, payload: Uint8Array): void {
    this.transactions.push({ zxid, text: textOf(payload) });
    this.lastZxid = zxid;
  }

  // Snapshots on the wire: transactions, then −1, in one piece

  beginOutgoing(): SnapshotOutgoing {
    const writer = new JuteWriter();
    for (const { zxid, text } of this.transactions) {
      writer.long(zxid);
      writer.ustring(text);
    }
    writer.long(-1);
    let stream: Uint8Array | null = writer.detach();
    return {
      zxid: this.lastZxid,
      next: () => {
        const slice = stream;
        stream = null;
        return slice;
      },
      end: () => undefined,
    };
  }

  beginIncoming(): SnapshotIncoming {
    this.transactions = [];
    this.lastZxid = -1;
    let done = false;
    return {
      get done() {
        return done;
      },
      take: (bytes, start) => {
        const reader = new JuteReader(bytes.subarray(start));
        for (let zxid = Number(reader.long()); zxid !== -1; zxid = Number(reader.long())) {
          this.transactions.push({ zxid, text: reader.ustring() });
        }
        check(reader.ustring() === SNAP_STREAM_END, 'a snapshot is whole', () => 'it ends otherwise');
        done = true;
        return start + reader.position;
      },
    };
  }

  endIncoming(zxid: number): void {
    this.lastZxid = zxid;
  }
}

export function entryOf({ zxid, text }: Transaction): Entry {
  return { zxid, payload: Buffer.from(text, 'latin1') };
}

export function textOf(payload: Uint8Array): string {
  return Buffer.from(payload).toString('latin1');
}
