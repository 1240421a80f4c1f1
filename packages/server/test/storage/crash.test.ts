/** Power fails at random moments, again and again: what was acknowledged is there, in order, and nothing else. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import type { DiskStep } from '../../src/io/disk.ts';
import type { Random } from '../../src/io/random.ts';
import { TxnLog } from '../../src/storage/log.ts';
import { purge } from '../../src/storage/purge.ts';
import { SnapshotWriter } from '../../src/storage/snapshot.ts';
import { ListSource, node, RecordingLog, recoverFrom, seededRandom, testOptions, txnBody } from './support.ts';

/** A "tree" that is the list of values applied: a snapshot is the list, a txn adds to it. */
interface Machine {
  readonly disk: SimulatedDisk;
  /** All that was ever appended in the current history: zxid → value. */
  values: Map<number, number>;
  lastZxid: number;
  acknowledged: number;
}

const OPTIONS = testOptions({ preallocBytes: 2048, snapCount: 12, snapSizeLimitBytes: 0 });

/** A createSession txn whose timeout is the value. */
function body(zxid: number, value: number): Buffer {
  const txn = Buffer.alloc(4);
  txn.writeInt32BE(value);
  return txnBody(zxid, -10, txn, value % 2 === 0 ? BigInt(value) : undefined);
}

function valueNodes(values: ReadonlyMap<number, number>, through: number) {
  const nodes = [node('')];
  for (let zxid = 1; zxid <= through; zxid++) {
    nodes.push(node(`/${zxid}`, Buffer.from(String(values.get(zxid)))));
  }
  return nodes;
}

/** Runs the server for a random while. */
function live(machine: Machine, random: Random): void {
  const { disk } = machine;
  const log = new TxnLog(disk, OPTIONS, random, new RecordingLog(), machine.lastZxid);
  let snapshot: SnapshotWriter | null = null;
  for (let turn = Math.floor(random.next() * 60); turn >= 0; turn--) {
    for (let txns = Math.floor(random.next() * 5); txns > 0 && !log.full; txns--) {
      const zxid = ++machine.lastZxid;
      const value = Math.floor(random.next() * 1e6);
      machine.values.set(zxid, value);
      log.append(zxid, body(zxid, value));
    }
    log.flush(turn);
    snapshot?.advance();
    for (let steps = Math.floor(random.next() * 5); steps > 0; steps--) {
      disk.full = random.next() < 0.05;
      const completion = disk.step(random);
      if (completion !== null && !log.onCompletion(completion)) {
        snapshot?.onCompletion(completion);
      }
    }
    machine.acknowledged = log.syncedThrough;
    if (log.full) {
      log.retry();
    }
    if (log.takeRolled() && snapshot === null) {
      snapshot = new SnapshotWriter(
        disk,
        OPTIONS,
        new ListSource(log.syncedThrough, valueNodes(machine.values, log.syncedThrough)),
      );
    } else if (snapshot !== null && snapshot.state !== 'writing') {
      if (snapshot.state === 'done') {
        purge(disk, 3);
      }
      snapshot = null;
    }
  }
  disk.full = false;
}

/** Starts again and compares with what was promised. */
function restart(machine: Machine): void {
  const { recovered, sink } = recoverFrom(machine.disk);
  expect(recovered.lastZxid).toBeGreaterThanOrEqual(machine.acknowledged);
  expect(recovered.lastZxid).toBeLessThanOrEqual(machine.lastZxid);
  const found = new Map<number, number>();
  for (const { path, data } of sink.nodes.values()) {
    if (path !== '') {
      found.set(Number(path.slice(1)), Number(Buffer.from(data ?? []).toString()));
    }
  }
  for (const { header, txn } of sink.txns) {
    found.set(header.zxid, (txn as { timeOut: number }).timeOut);
  }
  const expected = new Map([...machine.values].filter(([zxid]) => zxid <= recovered.lastZxid));
  const text = (values: Map<number, number>) => [...values].sort(([a], [b]) => a - b).join(' ');
  expect(text(found)).toBe(text(expected));
  machine.values = expected;
  machine.lastZxid = recovered.lastZxid;
  machine.acknowledged = recovered.lastZxid;
}

function newMachine(disk = new SimulatedDisk()): Machine {
  const first = new SnapshotWriter(disk, OPTIONS, new ListSource(0, [node('')]));
  first.advance();
  disk.drain();
  return { disk, values: new Map(), lastZxid: 0, acknowledged: 0 };
}

function liveThroughPowerFailures(seed: number, disk?: SimulatedDisk): void {
  const random = seededRandom(seed);
  const machine = newMachine(disk);
  for (let incarnation = 0; incarnation < 6; incarnation++) {
    live(machine, random);
    machine.disk.crash(random);
    restart(machine);
  }
}

describe('every acknowledged transaction survives, and nothing is invented', () => {
  test('power failures', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => liveThroughPowerFailures(seed)),
      { numRuns: 60, seed: 20250 },
    );
  });

  test('killed processes', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = seededRandom(seed);
        const machine = newMachine();
        for (let incarnation = 0; incarnation < 4; incarnation++) {
          live(machine, random);
          machine.disk.kill();
          restart(machine);
        }
      }),
      { numRuns: 40, seed: 20251 },
    );
  });

  test.each([
    ['ignores synced writes', (step: DiskStep) => (step.op === 'create' ? { ...step, dsync: false } : step)],
    ['never syncs the directory', (step: DiskStep) => (step.op === 'syncDirectory' ? NOTHING : step)],
    ['does not sync snapshots', (step: DiskStep) => (step.op === 'sync' ? NOTHING : step)],
  ])('a disk that %s is found out', (_, lie) => {
    class LyingDisk extends SimulatedDisk {
      override submit(steps: readonly DiskStep[]): number {
        return super.submit(steps.map(lie));
      }
    }
    const seeds = Array.from({ length: 30 }, (_, seed) => seed);
    expect(() => seeds.forEach((seed) => liveThroughPowerFailures(seed, new LyingDisk()))).toThrow();
  });
});

/** Does nothing: this file is not open. */
const NOTHING: DiskStep = { op: 'close', file: 0 };
