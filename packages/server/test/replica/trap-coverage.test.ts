/**
 * The traps of client-protocol.md §15 and of disk-format.md §10 are numbered, and so are the tests that keep us out:
 * "trap 3: …", "traps 4 and 5: …", "… (trap 29)". Where a folder is about the other of the two, "disk-format trap 9: …".
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const CLIENT_PROTOCOL_TRAPS = 48;
const DISK_FORMAT_TRAPS = 42;
/** In these a number without a name is one of disk-format.md. */
const OF_THE_DISK = ['host', 'storage', 'tree'];
/** 33 is about TRUNC: how a learner, and no other server, gives up transactions. */
const OF_LEARNERS = [33];
const tests = join(import.meta.dirname, '..');

interface NamedTraps {
  readonly clientProtocol: Set<number>;
  readonly diskFormat: Set<number>;
}

function trapsNamed(): NamedTraps {
  const named: NamedTraps = { clientProtocol: new Set(), diskFormat: new Set() };
  const folders = readdirSync(tests, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name: folder } of folders) {
    for (const file of readdirSync(join(tests, folder)).filter((one) => one.endsWith('.test.ts'))) {
      const text = readFileSync(join(tests, folder, file), 'utf8');
      for (const [, prefix, numbers] of text.matchAll(/(disk-format )?\btraps? (\d+(?:(?:, | and )\d+)*)/g)) {
        const ofTheDisk = prefix !== undefined || OF_THE_DISK.includes(folder);
        for (const number of numbers.split(/, | and /)) {
          (ofTheDisk ? named.diskFormat : named.clientProtocol).add(Number(number));
        }
      }
    }
  }
  return named;
}

describe('every trap has a test that names it', () => {
  const { clientProtocol, diskFormat } = trapsNamed();
  const missing = (count: number, named: Set<number>) =>
    Array.from({ length: count }, (_, i) => i + 1).filter((trap) => !named.has(trap));

  test('of the client protocol', () => {
    expect(missing(CLIENT_PROTOCOL_TRAPS, clientProtocol)).toEqual([]);
  });

  test('of the files', () => {
    expect(missing(DISK_FORMAT_TRAPS, diskFormat).filter((trap) => !OF_LEARNERS.includes(trap))).toEqual([]);
  });
});
