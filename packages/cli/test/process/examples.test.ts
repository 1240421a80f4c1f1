/** The examples where no server runs. With one, `npm run interop -- examples` runs them. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const directory = join(import.meta.dirname, '../../../../examples/recipes');

test.each(readdirSync(directory))('%s says that a server is needed, and how to start one', (name) => {
  const { status, stderr } = spawnSync(process.execPath, [join(directory, name), '127.0.0.1:1'], { encoding: 'utf8' });
  expect({ status, lines: stderr.trimEnd().split('\n') }).toEqual({
    status: 1,
    lines: [expect.stringContaining('ECONNREFUSED'), 'Start a server first: npm start'],
  });
});
