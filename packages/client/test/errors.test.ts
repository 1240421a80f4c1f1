/** The table of errors, and the page about it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorTable as protocolTable } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { codeOfNumber, errorTable, isTreekeeperError, TreekeeperError } from '../src/errors.ts';

const PAGE = join(import.meta.dirname, '../../../docs/reference/client-errors.md');

describe('docs/reference/client-errors.md', () => {
  const rows = [...readFileSync(PAGE, 'utf8').matchAll(/^\| `([A-Z_]+)` \| (\w+) \| (.*) \| (.*) \|$/gm)];

  test('has every code, with its advice, meaning and remedy, and no other', () => {
    const documented = rows.map(([, code, retry, meaning, remedy]) => [code, { retry, meaning, remedy }]);
    expect(Object.fromEntries(documented)).toEqual(errorTable);
    expect(rows.map(([, code]) => code)).toEqual(Object.keys(errorTable));
  });
});

describe('TreekeeperError', () => {
  test('says what was tried, on which path, what was wrong and what to do', () => {
    const error = new TreekeeperError('NO_NODE', { operation: 'get', path: '/a', zxid: 7n });
    expect(error.message).toMatch(/^get \/a: NO_NODE: the node does not exist .*; create it first/);
    expect(error).toMatchObject({ retry: 'pointless', path: '/a', operation: 'get', zxid: 7n, failedIndex: undefined });
    expect(isTreekeeperError(error, 'NO_NODE')).toBe(true);
    expect(isTreekeeperError(error, 'NO_AUTH')).toBe(false);
    expect(isTreekeeperError(new Error('NO_NODE'))).toBe(false);
  });

  test('a number of the protocol has its name there, or is a failure of the server', () => {
    const shared = Object.entries(protocolTable).filter(([code]) => Object.hasOwn(errorTable, code));
    expect(shared.length).toBeGreaterThan(20);
    for (const [code, { number }] of shared) {
      expect(codeOfNumber(number)).toBe(code);
    }
    expect(codeOfNumber(-4711)).toBe('SYSTEM_ERROR');
  });
});
