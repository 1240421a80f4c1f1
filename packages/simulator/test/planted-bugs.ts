/**
 * Parts of the world with one bug each, in the places where the server could have it. They stand in for the seams; the
 * server itself is as it is.
 */
import type { AccessControl, Area, DiskCompletion, DiskStep, Random } from '@treekeeper/server/internal';
import { PendingChanges } from '../../server/src/replica/pending-changes.ts';
import { DataTree } from '../../server/src/tree/data-tree.ts';
import { Leader } from '../../server/src/zab/leader.ts';
import { SimulatedConnection } from '../src/connection.ts';
import { SimulatedDisk } from '../src/disk.ts';
import type { Doubles } from '../src/world.ts';
import { replaced } from './planting.ts';

export interface PlantedBug {
  readonly what: string;
  /** Which checker must see it; StorageError: recovery itself refuses. */
  readonly invariant: string;
  readonly doubles?: () => Doubles;
  /** Changes the server; returns what changes it back. */
  readonly plant?: () => () => void;
}

type DiskOptions = { readonly sharedDirectory: boolean };

function disk(make: (options: DiskOptions) => SimulatedDisk): () => Doubles {
  return () => ({ disk: make });
}

/** Says that a batch is done before it has begun. */
export class HastyDisk extends SimulatedDisk {
  #early: DiskCompletion[] = [];

  override submit(steps: readonly DiskStep[]): number {
    const ticket = super.submit(steps);
    this.#early.push({ kind: 'disk', ticket, error: null, durationMs: 0 });
    return ticket;
  }

  override step(): DiskCompletion | null {
    const early = this.#early.shift();
    if (early !== undefined) {
      return early;
    }
    super.step(); // in order, for nobody waits for anything any more
    return null;
  }

  override crash(random: Random): void {
    this.#early = [];
    super.crash(random);
  }

  override kill(random?: Random): void {
    this.#early = [];
    super.kill(random);
  }
}

/** Takes syncs for a suggestion. */
export class LazyDisk extends SimulatedDisk {
  override submit(steps: readonly DiskStep[]): number {
    return super.submit(
      steps
        .filter(({ op }) => op !== 'sync')
        .map((step) => (step.op === 'create' && step.area === 'log' ? { ...step, dsync: false } : step)),
    );
  }
}

/** Creates logs whose names are never made durable. */
class NamelessDisk extends SimulatedDisk {
  override submit(steps: readonly DiskStep[]): number {
    return super.submit(steps.filter((step) => step.op !== 'syncDirectory' || step.area !== 'log'));
  }
}

/** Recovery believes what it reads, durable or not. */
class TrustingDisk extends SimulatedDisk {
  override makeDurable(): void {}
}

const HEADER_BYTES = 16;

/** Loses the last record of a log on the way back. */
class ForgetfulDisk extends SimulatedDisk {
  override read(area: Area, name: string, position: number, length: number): Uint8Array {
    const bytes = Buffer.from(super.read(area, name, position, length));
    if (name.startsWith('log.')) {
      const last = lastRecordOffset(this.get(area, name));
      bytes.fill(0, Math.min(bytes.length, Math.max(0, last - position)));
    }
    return bytes;
  }
}

function lastRecordOffset(content: Buffer): number {
  let last = content.length;
  for (let at = HEADER_BYTES; at + 12 < content.length; ) {
    const length = content.readInt32BE(at + 8);
    if (length <= 0 || at + 13 + length > content.length) {
      break;
    }
    last = at;
    at += 13 + length;
  }
  return last;
}

/** After a while it does what it is asked and tells nobody. */
export class SilentDisk extends SimulatedDisk {
  #left = 40;

  override step(random?: Random): DiskCompletion | null {
    const completion = super.step(random);
    if (completion !== null) {
      this.#left--;
    }
    return this.#left < 0 ? null : completion;
  }
}

/** Removes the newest snapshots along with the oldest. */
class EagerPurgeDisk extends SimulatedDisk {
  override submit(steps: readonly DiskStep[]): number {
    const isPurge = steps.every(({ op }) => op === 'remove');
    const names = this.list('data')
      .map(({ name }) => name)
      .filter((name) => name.startsWith('snapshot.'));
    const extra = isPurge ? names.map((name): DiskStep => ({ op: 'remove', area: 'data', name })) : [];
    return super.submit([...steps, ...extra]);
  }
}

const EVENT_XID = -1;

/** Hands each write on as whole frames, changed by `change`; the first frame, of the handshake, stays. */
abstract class FrameConnection extends SimulatedConnection {
  #isFirst = true;

  abstract change(frames: Buffer[]): Buffer[];

  override write(bytes: Uint8Array): boolean {
    const frames: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = at + 4 + Buffer.from(bytes).readInt32BE(at);
      frames.push(Buffer.from(bytes.subarray(at, end)));
      at = end;
    }
    const first = this.#isFirst ? frames.splice(0, 1) : [];
    this.#isFirst = false;
    return super.write(Buffer.concat([...first, ...this.change(frames)]));
  }
}

function isEvent(frame: Buffer): boolean {
  return frame.readInt32BE(4) === EVENT_XID;
}

export class LateEvents extends FrameConnection {
  #held: Buffer[] = [];

  change(frames: Buffer[]): Buffer[] {
    return frames.flatMap((frame) => {
      if (isEvent(frame)) {
        this.#held.push(frame);
        return [];
      }
      return [frame, ...this.#held.splice(0)];
    });
  }
}

export class EventsTwice extends FrameConnection {
  change(frames: Buffer[]): Buffer[] {
    return frames.flatMap((frame) => (isEvent(frame) ? [frame, frame] : [frame]));
  }
}

export class LostEvents extends FrameConnection {
  change(frames: Buffer[]): Buffer[] {
    return frames.filter((frame) => !isEvent(frame));
  }
}

export class SwappedAnswers extends FrameConnection {
  change(frames: Buffer[]): Buffer[] {
    return frames.length === 2 && !frames.some(isEvent) ? frames.reverse() : frames;
  }
}

/** Data that were there once: the last byte of long answers is off by one. */
export class WrongBytes extends FrameConnection {
  change(frames: Buffer[]): Buffer[] {
    for (const frame of frames) {
      if (frame.length > 80) {
        frame[frame.length - 1] ^= 1;
      }
    }
    return frames;
  }
}

/** Answers that claim the zxid of tomorrow. */
class EarlyZxids extends FrameConnection {
  change(frames: Buffer[]): Buffer[] {
    for (const frame of frames) {
      if (!isEvent(frame) && frame.readBigInt64BE(8) > 0n) {
        frame.writeBigInt64BE(frame.readBigInt64BE(8) + 1n, 8);
      }
    }
    return frames;
  }
}

/** Says that it needs a buffer no more, which has not left yet. */
class HurriedConnection extends SimulatedConnection {
  override write(bytes: Uint8Array): boolean {
    super.write(bytes);
    return true;
  }
}

function connection(Kind: new (port: number) => SimulatedConnection): () => Doubles {
  return () => ({ connection: (port) => new Kind(port) });
}

/** Its time runs three times too fast. */
const fastClock: () => Doubles = () => ({
  clock: (clock) => ({
    get nowMs() {
      return 3 * clock.nowMs;
    },
    get wallMs() {
      return clock.wallMs;
    },
  }),
});

/** Lets everybody do everything. */
const openAccess: () => Doubles = () => ({
  access: (access) =>
    new Proxy(access, {
      get(target, name: keyof AccessControl) {
        const member: unknown = target[name];
        const method = typeof member === 'function' ? (member.bind(target) as unknown) : member;
        return name === 'permits' ? () => true : method;
      },
    }),
});

export const plantedBugs: readonly PlantedBug[] = [
  {
    what: 'a write is acknowledged before it is synced',
    invariant: 'durability',
    doubles: disk((o) => new HastyDisk(o)),
  },
  { what: 'nothing is ever synced', invariant: 'StorageError', doubles: disk((o) => new LazyDisk(o)) },
  { what: 'the names of logs are not durable', invariant: 'durability', doubles: disk((o) => new NamelessDisk(o)) },
  {
    what: 'recovered bytes are not made durable',
    invariant: 'StorageError',
    doubles: disk((o) => new TrustingDisk(o)),
  },
  { what: 'recovery loses the last record', invariant: 'durability', doubles: disk((o) => new ForgetfulDisk(o)) },
  { what: 'purging removes what is needed', invariant: 'StorageError', doubles: disk((o) => new EagerPurgeDisk(o)) },
  { what: 'the disk stops answering', invariant: 'progress', doubles: disk((o) => new SilentDisk(o)) },
  { what: 'events come after the answer', invariant: 'events', doubles: connection(LateEvents) },
  { what: 'events come twice', invariant: 'events', doubles: connection(EventsTwice) },
  { what: 'events get lost', invariant: 'events', doubles: connection(LostEvents) },
  { what: 'answers change places', invariant: 'replies', doubles: connection(SwappedAnswers) },
  { what: 'answers have wrong bytes', invariant: 'replies', doubles: connection(WrongBytes) },
  { what: 'answers have zxids of the future', invariant: 'replies', doubles: connection(EarlyZxids) },
  { what: 'sessions expire too early', invariant: 'expiry', doubles: fastClock },
  { what: 'permissions are not asked for', invariant: 'transactions', doubles: openAccess },
  {
    what: 'replay counts the versions of data too far',
    invariant: 'recovery',
    plant: replaced(
      DataTree.prototype,
      'setData',
      (original) =>
        function (this: DataTree, path, data, version, ...rest) {
          return original.call(this, path, data, this.recordChanges ? version : version + 1, ...rest);
        },
    ),
  },
  { what: 'a buffer is used again before it has left', invariant: 'buffers', doubles: connection(HurriedConnection) },
  {
    what: 'a zxid is left out',
    invariant: 'history',
    plant: replaced(
      Leader.prototype,
      'nextZxid',
      (original) =>
        function (this: Leader) {
          const next = original.call(this);
          return next === 20 ? next + 1 : next;
        },
    ),
  },
  {
    what: 'a digest is not that of the tree',
    invariant: 'digest',
    plant: replaced(
      PendingChanges.prototype,
      'contentCrc',
      (original) =>
        function (this: PendingChanges, path, dataCrc, dataLength) {
          return original.call(this, path, dataCrc, dataLength) ^ 1;
        },
    ),
  },
];

let batches = 0;

/** Harmless, and not the same from run to run. */
export class MoodyDisk extends SimulatedDisk {
  override submit(steps: readonly DiskStep[]): number {
    batches++;
    return super.submit(batches % 50 === 0 ? [...steps, { op: 'syncDirectory', area: 'log' }] : steps);
  }
}

class DiceConnection extends SimulatedConnection {
  override write(bytes: Uint8Array): boolean {
    return Math.random() < 2 && super.write(bytes);
  }
}

export const moodyDisk: () => Doubles = disk((o) => new MoodyDisk(o));
export const diceConnection: () => Doubles = connection(DiceConnection);
