import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { ADLER32_START, adler32 } from '../../src/storage/adler32.ts';
import {
  compressionOf,
  listDataFiles,
  logName,
  passesQuickCheck,
  snapshotName,
  zxidOfName,
} from '../../src/storage/format.ts';

/** The slow, obvious Adler-32. */
function plainAdler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}

describe('adler32', () => {
  test('equals the obvious one, in one piece or several', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 5000, size: 'max' }), { maxLength: 4 });
    fc.assert(
      fc.property(pieces, (parts) => {
        let checksum = ADLER32_START;
        for (const part of parts) {
          checksum = adler32(checksum, part, 0, part.length);
        }
        return checksum === plainAdler32(Buffer.concat(parts));
      }),
      { seed: 1 },
    );
  });

  test('does not overflow on the largest bytes', () => {
    const bytes = Buffer.alloc(100_000, 0xff);
    expect(adler32(ADLER32_START, bytes, 0, bytes.length)).toBe(plainAdler32(bytes));
    expect(adler32(0xfff0_fff0, bytes, 3, 9000)).toBe(adler32(adler32(0xfff0_fff0, bytes, 3, 4500), bytes, 4500, 9000));
  });
});

describe('names (§1)', () => {
  test('lower-case hex without leading zeros', () => {
    expect(logName(0x3a)).toBe('log.3a');
    expect(snapshotName(0x100000010)).toBe('snapshot.100000010');
    expect(snapshotName(0, 'gz')).toBe('snapshot.0.gz');
  });

  test.each([
    ['log.3a', 0x3a],
    ['log.3A', 0x3a],
    ['log.003a', 0x3a],
    ['log.+3a', 0x3a],
    ['log.1.fixed', 1],
    ['log.5.', 5],
    ['log.1fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['log.ffffffffffffffff', null],
    ['log.8000000000000000', null],
    ['log.-1', null],
    ['log.', null],
    ['log', null],
    ['log.old', null],
    ['log. 5', null],
    ['log.5 ', null],
    ['log.0x5', null],
    ['Log.5', null],
    ['logs.5', null],
    ['writing.log.5', null],
    ['snapshot.5', null],
  ])('trap 17: %s is %s', (name, zxid) => {
    expect(zxidOfName('log', name)).toBe(zxid);
  });

  test('a zxid that Java knows and we cannot count with is no stray file', () => {
    expect(() => zxidOfName('log', 'log.20000000000000')).toThrow(RangeError);
  });

  test('the last part says how a snapshot is compressed', () => {
    expect(['snapshot.5', 'snapshot.5.gz', 'snapshot.5.snappy', 'snapshot.5.gz.tmp'].map(compressionOf)).toEqual([
      'none',
      'gz',
      'snappy',
      'none',
    ]);
  });

  test('files are listed in the order of their zxids', () => {
    const disk = new SimulatedDisk();
    for (const name of ['log.10', 'log.9', 'log.9.fixed', 'log.x', 'snapshot.1', 'log.100000001', 'log.a']) {
      disk.put('log', name, Buffer.alloc(1));
    }
    const names = listDataFiles(disk, 'log').map(({ name }) => name);
    expect(names).toEqual(['log.9', 'log.9.fixed', 'log.a', 'log.10', 'log.100000001']);
  });
});

test.each([
  ['snapshot.1', '5a4b534e00000000012f', true],
  ['snapshot.1', '4b534e00000000012f', false],
  ['snapshot.1', '5a4b534e00000000012e', false],
  ['snapshot.1', '', false],
  ['snapshot.1.tmp', '5a4b534e00000000012f', true],
  ['snapshot.1.gz', '1f8b', true],
  ['snapshot.1.gz', '1f', false],
  ['snapshot.1.gz', '5a4b534e00000000012f', false],
  ['snapshot.1.snappy', '82534e4150505900', true],
  ['snapshot.1.snappy', '82534e41505059', false],
])('quick check of %s holding %s: %s', (name, hex, passes) => {
  const disk = new SimulatedDisk();
  disk.put('data', name, Buffer.from(hex, 'hex'));
  expect(passesQuickCheck(disk, listDataFiles(disk, 'snapshot')[0])).toBe(passes);
});
