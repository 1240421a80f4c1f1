/** A snapshot from a leader takes the place of everything; power failures and abandoned snapshots in between. */
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { TxnLog } from '../../src/storage/log.ts';
import { SnapshotWriter } from '../../src/storage/snapshot.ts';
import {
  constantRandom,
  errorBody,
  ListSource,
  node,
  RecordingLog,
  recoverFrom,
  seededRandom,
  testOptions,
} from './support.ts';
import { deliver, writeLog, writeSnapshot } from './writers.ts';

const OPTIONS = testOptions({ preallocBytes: 1024, snapCount: 8, snapshotSliceBytes: 40 });
/** Of an epoch that the leader of epoch 3 knows nothing of. */
const OLD_LAST = 0x200000003;

function oldHistory(): SimulatedDisk {
  const disk = new SimulatedDisk({ sharedDirectory: false });
  writeSnapshot(disk, OPTIONS, new ListSource(0, [node('')]));
  const zxids = [1, 2, 3, 0x200000001, 0x200000002, OLD_LAST];
  writeLog(
    disk,
    OPTIONS,
    constantRandom(0),
    0,
    zxids.slice(0, 4).map((zxid) => ({ zxid, body: errorBody(zxid) })),
  );
  writeSnapshot(disk, OPTIONS, new ListSource(0x200000001, [node('')]));
  writeLog(
    disk,
    OPTIONS,
    constantRandom(0),
    zxids[3],
    zxids.slice(4).map((zxid) => ({ zxid, body: errorBody(zxid) })),
  );
  return disk;
}

/** The database of the leader. */
function incoming(zxid: number): ListSource {
  return new ListSource(zxid, [node(''), node('/from'), node('/from/leader')]);
}

function everything(disk: SimulatedDisk): string[] {
  return [...disk.list('data'), ...disk.list('log')].map(({ name }) => name);
}

describe('after a replacement', () => {
  test.each([
    ['later than all there was', 0x300000000],
    ['earlier than what there was, which is not in the ensemble’s history', 3],
    ['the same zxid as a snapshot there was', 0x200000001],
  ])('the snapshot is all there is: %s', (_, zxid) => {
    const disk = oldHistory();
    const writer = new SnapshotWriter(disk, OPTIONS, incoming(zxid), 'remove');
    while (writer.state === 'writing') {
      writer.advance();
      deliver(disk, writer);
    }
    expect(everything(disk)).toEqual([`snapshot.${zxid.toString(16)}`]);
    const log = new TxnLog(disk, OPTIONS, constantRandom(0), new RecordingLog(), OLD_LAST);
    log.restart(zxid);
    expect(log.contiguousFrom).toBe(zxid + 1);
    log.append(zxid + 1, errorBody(zxid + 1));
    log.flush(0);
    deliver(disk, log);
    const { recovered, sink } = recoverFrom(disk);
    expect(recovered).toMatchObject({ lastZxid: zxid + 1, contiguousFrom: zxid + 1, gapless: true });
    expect([...sink.nodes.keys()]).toEqual(['', '/from', '/from/leader']);
  });

  test.each([
    [0x300000000, 'remove'],
    [3, 'remove'],
    [3, 'set aside'],
  ] as const)('a power failure at any step leaves the old history or the new one: %i, %s', (zxid, way) => {
    const before = oldHistory();
    const old = everything(before);
    const found = new Set<string>();
    for (let done = 0; ; done++) {
      let isOver = false;
      for (let seed = 0; seed < 20; seed++) {
        const disk = oldHistory();
        const writer = new SnapshotWriter(disk, OPTIONS, incoming(zxid), way);
        writer.advance();
        for (let step = 0; step < done && writer.state === 'writing'; step++) {
          const completion = disk.step();
          if (completion !== null) {
            writer.onCompletion(completion);
            writer.advance();
          }
        }
        isOver = writer.state === 'done';
        disk.crash(seededRandom(seed));
        const { recovered, sink } = recoverFrom(disk);
        const isNew = sink.nodes.has('/from/leader');
        expect(recovered.lastZxid).toBe(isNew ? zxid : OLD_LAST);
        expect(sink.zxids).toEqual(isNew ? [] : [0x200000002, OLD_LAST]);
        expect(isNew || !isOver).toBe(true);
        const aside = everything(disk).filter((name) => name.startsWith('damaged.'));
        if (isNew) {
          const others = everything(disk).filter((name) => !name.startsWith('damaged.'));
          expect(others).toEqual([`snapshot.${zxid.toString(16)}`]);
        }
        const kept = old.map((name) => `damaged.1.${name}`).sort();
        expect(aside.sort()).toEqual(isNew && way === 'set aside' ? kept : []);
        found.add(isNew ? 'new' : 'old');
      }
      if (isOver) {
        break;
      }
    }
    expect([...found]).toEqual(['old', 'new']);
  });
});

describe('an abandoned snapshot', () => {
  function begun() {
    const disk = new SimulatedDisk({ sharedDirectory: false });
    const writer = new SnapshotWriter(disk, OPTIONS, incoming(7));
    writer.advance();
    return { disk, writer };
  }

  test('in between two slices', () => {
    const { disk, writer } = begun();
    deliver(disk, writer);
    expect(writer.state).toBe('writing');
    writer.abandon();
    writer.abandon();
    writer.advance();
    deliver(disk, writer);
    expect(writer.state).toBe('abandoned');
    expect(everything(disk)).toEqual([]);
  });

  test('while a slice is on its way', () => {
    const { disk, writer } = begun();
    writer.abandon();
    for (let completions = disk.drain(); completions.length > 0; completions = disk.drain()) {
      completions.forEach((completion) => writer.onCompletion(completion));
    }
    expect(writer.state).toBe('abandoned');
    expect(everything(disk)).toEqual([]);
  });

  test('while the last slice is on its way: it is whole then', () => {
    const disk = new SimulatedDisk({ sharedDirectory: false });
    const writer = new SnapshotWriter(disk, testOptions(), incoming(7));
    writer.advance();
    writer.abandon();
    deliver(disk, writer);
    expect(writer.state).toBe('done');
    expect(everything(disk)).toEqual(['snapshot.7']);
  });
});
