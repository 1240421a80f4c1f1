/** A server's disk, and the database above it: a history of transactions is all its state. */
import { JuteError, JuteReader, JuteWriter, SNAP_STREAM_END } from '@treekeeper/protocol';
import type {
  Database,
  Entry,
  EpochName,
  LogWalk,
  SnapshotIncoming,
  SnapshotOutgoing,
} from '../../../src/zab/environment.ts';
import type { Events } from './events.ts';

export type State = Map<number, Uint8Array>;

interface Snapshot {
  readonly zxid: number;
  readonly state: State;
}

/** What survives a crash. */
export class Disk {
  log: Entry[] = [];
  snapshots: Snapshot[] = [{ zxid: 0, state: new Map() }];
  readonly epochs: Record<EpochName, number> = { acceptedEpoch: 0, currentEpoch: 0 };
  /** How long a write takes. */
  delayMs: () => number = () => 1;
  /** The history cannot be read any more, and nothing says how far it went; the epochs can. */
  isDamaged = false;

  recover(): Snapshot {
    if (this.isDamaged) {
      return { zxid: 0, state: new Map() };
    }
    const newest = this.snapshots[this.snapshots.length - 1];
    const state = new Map(newest.state);
    let { zxid } = newest;
    for (const entry of this.log) {
      if (entry.zxid > zxid) {
        state.set(entry.zxid, entry.payload);
        zxid = entry.zxid;
      }
    }
    return { zxid, state };
  }

  /** Whether a transaction is safe here, or was before the history was damaged. */
  holds(zxid: number): boolean {
    const newest = this.snapshots[this.snapshots.length - 1];
    return newest.zxid >= zxid ? newest.state.has(zxid) : this.log.some((entry) => entry.zxid === zxid);
  }
}

/** What a running server knows: memory, and what is on its way to the disk. */
export class FakeDatabase implements Database {
  state: State;
  lastZxid: number;
  /** The end of the log, with what is on its way there. */
  loggedThrough: number;
  readonly #disk: Disk;
  readonly #events: Events;
  readonly #answer: (run: () => void) => void;
  readonly #operations: { readonly run: () => void; readonly torn: () => void }[] = [];
  #appended: Entry[] = [];
  #isBusy = false;
  #isDead = false;
  onIdle: (() => void) | null = null;

  /** @param answer runs what comes from the disk as a turn of its own */
  constructor(disk: Disk, events: Events, answer: (run: () => void) => void) {
    this.#disk = disk;
    this.#events = events;
    this.#answer = answer;
    const { zxid, state } = disk.recover();
    this.state = state;
    this.lastZxid = zxid;
    this.loggedThrough = zxid;
    // A crash between the history and its epoch leaves the epoch behind (quorum-protocol.md §12).
    const { epochs } = disk;
    epochs.currentEpoch = Math.max(epochs.currentEpoch, Math.floor(zxid / 2 ** 32));
    epochs.acceptedEpoch = Math.max(epochs.acceptedEpoch, epochs.currentEpoch);
  }

  get acceptedEpoch(): number {
    return this.#disk.epochs.acceptedEpoch;
  }

  get currentEpoch(): number {
    return this.#disk.epochs.currentEpoch;
  }

  get damage(): string | null {
    return this.#disk.isDamaged ? 'nothing of it can be read' : null;
  }

  readonly isUnlogged = false;

  condemn(): void {
    this.#disk.isDamaged = true;
  }

  get snapshotSizeBytes(): number {
    return 1e6;
  }

  // To the disk, one after the other

  synced: (zxid: number) => void = () => undefined;
  persisted: (name: EpochName) => void = () => undefined;
  snapshotWritten: () => void = () => undefined;
  truncated: (isDone: boolean) => void = () => undefined;
  /** These transactions leave the log. */
  cutting: (zxids: readonly number[]) => void = () => undefined;

  append(zxid: number, payload: Uint8Array): void {
    this.#appended.push({ zxid, payload: payload.slice() });
    this.loggedThrough = zxid;
  }

  /** At the end of a turn: what was appended goes to the disk in one batch, when the disk is free. */
  flush(): void {
    if (this.#appended.length > 0 && !this.#isBusy) {
      const batch = this.#appended;
      this.#appended = [];
      const through = batch[batch.length - 1].zxid;
      this.#enqueue(
        () => this.#disk.log.push(...batch),
        () => this.synced(through),
        () => this.#disk.log.push(...batch.slice(0, Math.floor(batch.length / 2))),
      );
    }
  }

  persistEpoch(name: EpochName, epoch: number): void {
    const write = () => {
      this.#disk.epochs[name] = epoch;
    };
    this.#enqueue(write, () => this.persisted(name));
  }

  writeSnapshot(): void {
    const snapshot = { zxid: this.lastZxid, state: new Map(this.state) };
    this.loggedThrough = this.lastZxid;
    const write = () => {
      this.#disk.snapshots = [snapshot];
      this.#disk.log = [];
      this.#disk.isDamaged = false;
    };
    this.#enqueue(write, () => this.snapshotWritten());
  }

  truncate(zxid: number): void {
    const disk = this.#disk;
    const cut = {
      log: disk.log.filter((entry) => entry.zxid <= zxid),
      snapshots: disk.snapshots.filter((snapshot) => snapshot.zxid <= zxid),
    };
    const reachesBack = (cut.log.at(-1) ?? cut.snapshots.at(-1))?.zxid === zxid || cut.snapshots.at(-1)?.zxid === zxid;
    const write = () => {
      if (reachesBack && cut.snapshots.length > 0) {
        this.cutting(disk.log.filter((entry) => entry.zxid > zxid).map((entry) => entry.zxid));
        Object.assign(disk, cut);
      }
    };
    this.#enqueue(write, () => {
      this.reload();
      this.truncated(this.lastZxid === zxid);
    });
  }

  #enqueue(run: () => void, answer: () => void, torn: () => void = run): void {
    this.#operations.push({
      torn,
      run: () => {
        run();
        this.#answer(answer);
      },
    });
    this.#next();
  }

  #next(): void {
    if (this.#isBusy || this.#isDead) {
      return;
    }
    const operation = this.#operations[0];
    if (operation === undefined) {
      if (this.#appended.length > 0) {
        this.flush();
      } else if (this.onIdle !== null) {
        const onIdle = this.onIdle;
        this.onIdle = null;
        onIdle();
      }
      return;
    }
    this.#isBusy = true;
    this.#events.after(this.#disk.delayMs(), () => {
      if (!this.#isDead) {
        this.#operations.shift();
        this.#isBusy = false;
        operation.run();
        this.#next();
      }
    });
  }

  /** Runs `onIdle` when everything that is under way is on disk. */
  whenIdle(onIdle: () => void): void {
    this.onIdle = onIdle;
    this.#events.after(0, () => this.#next());
  }

  /** The process dies. What is being written may get there, or half of it. */
  die(fate: number): void {
    this.#isDead = true;
    const operation = this.#isBusy ? this.#operations[0] : undefined;
    if (operation !== undefined && fate < 1 / 3) {
      operation.torn();
    }
  }

  // Memory

  /** What the log has beyond memory comes to memory (§6.4). Then the two must be one. */
  replay(): boolean {
    const { zxid, state } = this.#disk.recover();
    for (const [logged, payload] of state) {
      if (logged > this.lastZxid) {
        this.state.set(logged, payload);
      }
    }
    const isAhead = this.lastZxid > zxid;
    this.lastZxid = Math.max(this.lastZxid, zxid);
    return !isAhead && this.state.size === state.size && [...state.keys()].every((logged) => this.state.has(logged));
  }

  reload(): void {
    const { zxid, state } = this.#disk.recover();
    this.state = state;
    this.lastZxid = zxid;
    this.loggedThrough = zxid;
  }

  apply(zxid: number, payload: Uint8Array): void {
    this.state.set(zxid, payload);
    this.lastZxid = zxid;
  }

  /** A snapshot of what is applied; the older history leaves the disk. */
  purge(): void {
    const disk = this.#disk;
    if (this.#isBusy || this.#appended.length > 0) {
      return;
    }
    disk.snapshots = [{ zxid: this.lastZxid, state: new Map(this.state) }];
    disk.log = disk.log.filter((entry) => entry.zxid > this.lastZxid);
  }

  /** What is in memory, in order, without what a fuzzy snapshot brought too early. */
  history(): number[] {
    return [...this.state.keys()].filter((zxid) => zxid <= this.lastZxid).sort((one, other) => one - other);
  }

  // Snapshots on the wire: entries, then −1. They are fuzzy: each slice is read when it is sent.

  beginOutgoing(): SnapshotOutgoing {
    const sent = new Set<number>();
    let isDone = false;
    return {
      zxid: this.lastZxid,
      next: () => {
        const entry = [...this.state].find(([zxid]) => !sent.has(zxid));
        if (isDone) {
          return null;
        }
        const writer = new JuteWriter();
        if (entry === undefined) {
          isDone = true;
          writer.long(-1);
        } else {
          sent.add(entry[0]);
          writer.long(entry[0]);
          writer.buffer(entry[1]);
        }
        return writer.detach();
      },
      end: () => undefined,
    };
  }

  beginIncoming(): SnapshotIncoming {
    this.state = new Map();
    this.lastZxid = -1;
    return new Incoming(this.state);
  }

  endIncoming(zxid: number): void {
    this.lastZxid = zxid;
  }

  readLog(zxid: number): LogWalk | null {
    const { log } = this.#disk;
    const from = log.findLastIndex((entry) => entry.zxid <= zxid);
    if (from < 0) {
      return null;
    }
    let at = from;
    return { next: () => log[at++] ?? null };
  }
}

class Incoming implements SnapshotIncoming {
  done = false;
  readonly #state: State;
  #kept: Uint8Array = new Uint8Array(0);

  constructor(state: State) {
    this.#state = state;
  }

  take(bytes: Uint8Array, start: number): number {
    const before = this.#kept.length;
    const all = Buffer.concat([this.#kept, bytes.subarray(start)]);
    const reader = new JuteReader(all);
    let taken = 0;
    for (;;) {
      const left = all.length - taken;
      if (left < 12) {
        break;
      }
      const zxid = Number(reader.long());
      const length = all.readInt32BE(taken + 8);
      if (left < 12 + length) {
        break;
      }
      if (zxid === -1) {
        if (reader.ustring() !== SNAP_STREAM_END) {
          throw new JuteError('OUT_OF_RANGE', 'no end of a snapshot'); // as the real reader says it
        }
        this.done = true;
        return start + (taken + 12 + length) - before;
      }
      this.#state.set(zxid, reader.buffer());
      taken += 12 + length;
    }
    this.#kept = all.subarray(taken);
    return bytes.length;
  }
}
