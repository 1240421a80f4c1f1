import { isValidPath, nodeName, parentPath, pathFault, sequenceSuffix } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const forbidden = [
  [0x0000, 0x001f],
  [0x007f, 0x009f],
  [0xd800, 0xf8ff],
  [0xfff0, 0xffff],
];

/** client-protocol.md §5.7, as obviously as it can be said. */
function keepsTheRules(path: string): boolean {
  if (path === '/') {
    return true;
  }
  const [first, ...components] = path.split('/');
  return (
    first === '' &&
    components.length > 0 &&
    components.every((component) => !['', '.', '..'].includes(component)) &&
    Array.from({ length: path.length }, (_, i) => path.charCodeAt(i)).every(
      (unit) => !forbidden.some(([first, last]) => unit >= first && unit <= last),
    )
  );
}

describe('the table of rules', () => {
  test.each([
    '/',
    '/a',
    '/a/b',
    '/...',
    '/.a',
    '/a.',
    '/..a',
    '/a..',
    '/a b',
    '/\u00a0',
    '/\ud7ff',
    '/\uf900',
    '/\uffef',
  ])('%j is fine', (path) => {
    expect(pathFault(path)).toBeNull();
    expect(isValidPath(path)).toBe(true);
  });

  test.each([
    [null, 'must not be empty'],
    ['', 'must not be empty'],
    ['a', 'must start with /'],
    ['a/b', 'must start with /'],
    ['/a/', 'must not end with /'],
    ['//', 'must not end with /'],
    ['/a//b', 'empty component at index 3'],
    ['//a', 'empty component at index 1'],
    ['/.', 'relative components'],
    ['/..', 'relative components'],
    ['/a/..', 'relative components'],
    ['/a/./b', 'relative components'],
    ['/../a', 'relative components'],
    ['/a\u0000', 'U+0000 at index 2'],
    ['/\u0001', 'U+0001'],
    ['/a\u001f', 'U+001f'],
    ['/\u007f', 'U+007f'],
    ['/\u009f', 'U+009f'],
    ['/\ud800', 'U+d800'],
    ['/\ue000', 'U+e000'],
    ['/\uf8ff', 'U+f8ff'],
    ['/\ufff0', 'U+fff0'],
    ['/\ufffd', 'U+fffd'],
    ['/\uffff', 'U+ffff'],
    ['/\u{1f600}', 'U+d83d'],
  ])('%j is refused', (path, fault) => {
    expect(pathFault(path)).toContain(fault);
    expect(isValidPath(path)).toBe(false);
  });
});

test('the rules are those of the obvious form', () => {
  const units = fc.constantFrom(
    '/',
    '/',
    '/',
    '.',
    '.',
    'a',
    'é',
    '\u0000',
    '\u001f',
    '\u00a0',
    '\ud83d',
    '\uf900',
    '\uffff',
  );
  const anyPath = fc.array(units, { maxLength: 9 }).map((list) => list.join(''));
  fc.assert(
    fc.property(anyPath, fc.boolean(), (tail, rooted) => {
      const path = rooted ? `/${tail}` : tail;
      expect(isValidPath(path)).toBe(keepsTheRules(path));
    }),
    { numRuns: 2000 },
  );
});

test('every UTF-16 unit on its own', () => {
  for (let unit = 0; unit <= 0xffff; unit++) {
    const path = `/x${String.fromCharCode(unit)}y`;
    if (isValidPath(path) !== keepsTheRules(path)) {
      expect.fail(`U+${unit.toString(16)}`);
    }
  }
});

test('parent and name', () => {
  expect(['/a', '/a/b', '/a/b/c'].map(parentPath)).toEqual(['', '/a', '/a/b']);
  expect(['/a', '/a/b', '/a/b/c'].map(nodeName)).toEqual(['a', 'b', 'c']);
});

test.each([
  [0, '0000000000'],
  [7, '0000000007'],
  [1234567890, '1234567890'],
  [2147483647, '2147483647'],
  [-1, '-000000001'],
  [-123456789, '-123456789'],
  [-2147483648, '-2147483648'],
])('the sequence suffix of %d', (counter, suffix) => {
  expect(sequenceSuffix(counter)).toBe(suffix);
});
