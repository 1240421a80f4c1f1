/** `npm run interop` where it runs no suite. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

test('a suite that there is not is named, and those that there are', () => {
  const main = join(import.meta.dirname, '../../dist/main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'crash', 'bogus'], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 2, stderr: 'there is no suite bogus\n\n' });
  expect(stdout).toContain('suites (default: all)');
});
