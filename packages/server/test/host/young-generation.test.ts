import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { GROWTH_FLAG } from '../../src/host/young-generation.ts';

/** Makes garbage of which a part lives for a while, and prints the size of the young generation in MB. */
const LOAD = `
  const { getHeapSpaceStatistics, setFlagsFromString } = require('node:v8');
  if (process.argv[1] !== '') setFlagsFromString(process.argv[1]);
  const recent = [];
  for (let i = 0; i < 5e5; i++) recent[i % 20000] = { i, text: 'x' + i, more: [i, i] };
  const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  console.log(Math.round(space.space_size / 2 ** 20));
`;

function youngGenerationMb(flag: string): number {
  return Number(execFileSync(process.execPath, ['-e', LOAD, '--', flag], { encoding: 'utf8' }));
}

describe('the young generation', () => {
  test('stays small with the flag, and would grow without', () => {
    expect(youngGenerationMb(GROWTH_FLAG)).toBeLessThanOrEqual(8);
    expect(youngGenerationMb('')).toBeGreaterThan(8);
  });
});
