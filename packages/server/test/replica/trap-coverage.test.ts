/** The traps of client-protocol.md §15 are numbered; so are the tests that keep us out of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const TRAPS = 48;
/** There the numbers are those of disk-format.md §10. */
const OF_THE_DISK = ['storage', 'tree'];
const tests = join(import.meta.dirname, '..');

/** Numbers in titles: "trap 3: …", "traps 4 and 5: …", "… (trap 29)". */
function trapsNamedIn(text: string): number[] {
  return [...text.matchAll(/(?<!disk-format )\btraps? (\d+(?:(?:, | and )\d+)*)/g)].flatMap(([, numbers]) =>
    numbers.split(/, | and /).map(Number),
  );
}

test('every trap of the client protocol has a test that names it', () => {
  const folders = readdirSync(tests, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const named = new Set<number>();
  for (const { name } of folders.filter((folder) => !OF_THE_DISK.includes(folder.name))) {
    for (const file of readdirSync(join(tests, name)).filter((one) => one.endsWith('.test.ts'))) {
      for (const trap of trapsNamedIn(readFileSync(join(tests, name, file), 'utf8'))) {
        named.add(trap);
      }
    }
  }
  const missing = Array.from({ length: TRAPS }, (_, i) => i + 1).filter((trap) => !named.has(trap));
  expect(missing).toEqual([]);
});
