/** The table of disk-format.md §6, row by row. */
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { EpochFiles, epochSteps, loadEpochs, parseEpoch } from '../../src/storage/epochs.ts';
import { goldenDisk, seededRandom } from './support.ts';

function diskWith(files: Readonly<Record<string, string>>): SimulatedDisk {
  const disk = new SimulatedDisk();
  for (const [name, text] of Object.entries(files)) {
    disk.put('data', name, Buffer.from(text));
  }
  return disk;
}

const EPOCH_3 = 0x300000007;

describe('at start', () => {
  test.each([
    ['trap 36: both missing: the epoch of the last zxid', {}, 3, 3, ['acceptedEpoch', 'currentEpoch']],
    ['both there', { currentEpoch: '3', acceptedEpoch: '4' }, 3, 4, []],
    ['the history is older than currentEpoch', { currentEpoch: '5', acceptedEpoch: '5' }, 5, 5, []],
    [
      'trap 35: a complete temporary file heals',
      { currentEpoch: '2', 'currentEpoch.tmp': '3', acceptedEpoch: '3' },
      3,
      3,
      ['currentEpoch'],
    ],
    [
      'the temporary one is not compared again',
      { currentEpoch: '1', 'currentEpoch.tmp': '2', acceptedEpoch: '3' },
      2,
      3,
      ['currentEpoch'],
    ],
    [
      'a temporary file that is not needed',
      { currentEpoch: '3', 'currentEpoch.tmp': '9', acceptedEpoch: '3' },
      3,
      3,
      [],
    ],
    ['acceptedEpoch missing', { currentEpoch: '3' }, 3, 3, ['acceptedEpoch']],
    ['updatingEpoch is of no meaning', { currentEpoch: '3', acceptedEpoch: '3', updatingEpoch: '' }, 3, 3, []],
  ])('%s', (_, files, currentEpoch, acceptedEpoch, toWrite) => {
    expect(loadEpochs(diskWith(files), { lastZxid: EPOCH_3, gapless: false })).toEqual({
      currentEpoch,
      acceptedEpoch,
      toWrite,
    });
  });

  test.each([
    ['trap 35: currentEpoch lags behind the log', { currentEpoch: '2', acceptedEpoch: '3' }, 'older than the epoch 3'],
    ['the temporary file is empty', { currentEpoch: '2', 'currentEpoch.tmp': '', acceptedEpoch: '3' }, 'older than'],
    ['acceptedEpoch below currentEpoch', { currentEpoch: '5', acceptedEpoch: '4' }, 'is less than currentEpoch 5'],
    ['trap 36: acceptedEpoch missing and the history older', { currentEpoch: '5' }, 'acceptedEpoch 3 is less'],
    ['trap 37: a trailing blank', { currentEpoch: '3 ' }, 'not an epoch'],
    ['an empty file', { currentEpoch: '' }, 'not an epoch'],
    ['hex', { currentEpoch: '3', acceptedEpoch: '0x3' }, 'not an epoch'],
  ])('%s: fatal', (_, files, message) => {
    expect(() => loadEpochs(diskWith(files), { lastZxid: EPOCH_3, gapless: false })).toThrow(message);
  });

  test('what Java wrote', () => {
    const disk = goldenDisk('ensemble-node1/data/version-2', 'ensemble-node1/log/version-2');
    expect(loadEpochs(disk, { lastZxid: 0x300000008, gapless: false })).toEqual({
      currentEpoch: 3,
      acceptedEpoch: 3,
      toWrite: [],
    });
  });
});

test.each([
  ['3\n', 3],
  ['3\r\n', 3],
  ['12\nsecond line', 12],
  ['0', 0],
  ['+7', 7],
])('trap 37: %j is %i: only the first line counts', (text, epoch) => {
  expect(parseEpoch('currentEpoch', text)).toBe(epoch);
});

test('a crash at any moment of the writing leaves the old or the new epoch', () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = seededRandom(seed);
    const disk = diskWith({ currentEpoch: '3', acceptedEpoch: '9' });
    disk.submit(epochSteps(disk, 'currentEpoch', 4));
    let done = false;
    for (let steps = Math.floor(random.next() * 7); steps > 0 && !done; steps--) {
      done = disk.step(random) !== null;
    }
    disk.crash(random);
    const { currentEpoch } = loadEpochs(disk, { lastZxid: EPOCH_3, gapless: false });
    expect(done ? [4] : [3, 4]).toContain(currentEpoch);
  }
});

test('a crash between a synchronisation and the writing of currentEpoch needs no operator', () => {
  const disk = diskWith({ currentEpoch: '2', acceptedEpoch: '3' });
  const history = { lastZxid: EPOCH_3, gapless: true };
  expect(loadEpochs(disk, history)).toEqual({ currentEpoch: 3, acceptedEpoch: 3, toWrite: ['currentEpoch'] });
});

describe('the files of an ensemble member', () => {
  function openFiles(disk: SimulatedDisk): EpochFiles {
    return new EpochFiles(disk, loadEpochs(disk, { lastZxid: EPOCH_3, gapless: false }));
  }

  function text(disk: SimulatedDisk, name: string): string {
    return disk.get('data', name).toString();
  }

  test('what is missing is written at once, the promise first', () => {
    const disk = new SimulatedDisk();
    const written: string[] = [];
    disk.onStep = (step) => step.op === 'rename' && written.push(step.to);
    const files = openFiles(disk);
    for (let completions = disk.drain(); completions.length > 0; completions = disk.drain()) {
      completions.forEach((completion) => files.onCompletion(completion));
    }
    expect(written).toEqual(['acceptedEpoch', 'currentEpoch']);
    expect(files.idle).toBe(true);
  });

  test('a new epoch counts when it is durable; two are written one after the other', () => {
    const disk = diskWith({ currentEpoch: '3', acceptedEpoch: '3' });
    const files = openFiles(disk);
    files.persist('acceptedEpoch', 4);
    files.persist('currentEpoch', 4);
    expect(disk.batchesInFlight).toBe(1);
    expect(files).toMatchObject({ acceptedEpoch: 3, currentEpoch: 3, idle: false });
    disk.drain().forEach((completion) => files.onCompletion(completion));
    expect(files).toMatchObject({ acceptedEpoch: 4, currentEpoch: 3, idle: false });
    expect([text(disk, 'acceptedEpoch'), text(disk, 'currentEpoch')]).toEqual(['4', '3']);
    disk.drain().forEach((completion) => files.onCompletion(completion));
    expect(files).toMatchObject({ acceptedEpoch: 4, currentEpoch: 4, idle: true, failure: null });
    expect(text(disk, 'currentEpoch')).toBe('4');
    expect(files.onCompletion({ kind: 'disk', ticket: 99, error: null, durationMs: 0 })).toBe(false);
  });

  test('a disk that fails stops the server, and nothing is promised', () => {
    const disk = diskWith({ currentEpoch: '3', acceptedEpoch: '3' });
    const files = openFiles(disk);
    files.persist('acceptedEpoch', 4);
    disk.failNext((step) => step.op === 'rename');
    disk.drain().forEach((completion) => files.onCompletion(completion));
    expect(files.failure).toMatch(/^acceptedEpoch cannot be written: rename: input\/output error\. The server stops/);
    expect(files.acceptedEpoch).toBe(3);
  });
});
