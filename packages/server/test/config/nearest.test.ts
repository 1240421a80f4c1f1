import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allNames } from '../../src/config/keys/index.ts';
import { editDistance, nearest } from '../../src/config/nearest.ts';

/** The definition, written down. */
function slowDistance(a: string, b: string): number {
  if (a === '' || b === '') {
    return a.length + b.length;
  }
  const last = a.at(-1) === b.at(-1) ? 0 : 1;
  const costs = [
    slowDistance(a.slice(0, -1), b) + 1,
    slowDistance(a, b.slice(0, -1)) + 1,
    slowDistance(a.slice(0, -1), b.slice(0, -1)) + last,
  ];
  if (a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1)) {
    costs.push(slowDistance(a.slice(0, -2), b.slice(0, -2)) + 1);
  }
  return Math.min(...costs);
}

describe('nearest', () => {
  test('counts edits as the definition does', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 5 });
    fc.assert(
      fc.property(word, word, fc.nat(5), (a, b, limit) => {
        expect(editDistance(a, b, limit)).toBe(Math.min(slowDistance(a, b), limit + 1));
      }),
    );
  });

  test.each([
    ['ticktime', 'tickTime'],
    ['clientPrt', 'clientPort'],
    ['maxClientCnxn', 'maxClientCnxns'],
    ['autopurge.purgeIntervall', 'autopurge.purgeInterval'],
    ['autopurge.snapRetianCount', 'autopurge.snapRetainCount'],
    ['dataDri', 'dataDir'],
    ['4lw.command.whitelist', '4lw.commands.whitelist'],
  ])('%s is a misspelt %s', (written, meant) => {
    expect(nearest(written, allNames())).toBe(meant);
  });

  test('what resembles nothing gets no suggestion', () => {
    expect(nearest('com.acme.feature', allNames())).toBeNull();
    expect(nearest('x', allNames())).toBeNull();
  });
});
