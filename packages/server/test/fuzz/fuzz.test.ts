/**
 * Whatever comes over the wire or from a disk is understood, or refused in the way that is written down for it. In
 * every run: what was kept, and a little more. Longer, guided by coverage: FUZZ_SECONDS=60 (for each), FUZZ_SEED=N;
 * what takes new ways is put into test/corpus then.
 */
import { describe, expect, test } from 'vitest';
import { fileTargets } from './file-targets.ts';
import { hunt, replay } from './fuzzer.ts';
import { portTargets } from './port-targets.ts';
import { wireTargets } from './wire-targets.ts';

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 0);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const MORE = 100;

describe.each([...wireTargets, ...fileTargets, ...portTargets])('$name', (target) => {
  test('what is no such thing is refused, and nothing else happens', { timeout: 3_600_000 }, async () => {
    if (SECONDS === 0) {
      await replay(target, SEED, MORE);
      return;
    }
    const { runs, kept, characters } = await hunt(target, SEED, SECONDS);
    process.stdout.write(`${target.name}: ${runs} inputs, ${characters} characters of code, ${kept} inputs kept\n`);
    expect(runs).toBeGreaterThan(0);
  });
});
