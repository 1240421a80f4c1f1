import { describe, expect, test } from 'vitest';
import {
  boolean,
  decimal,
  fileSize,
  integer,
  intervalInHours,
  list,
  long,
  oneOf,
  port,
  sizeLimit,
  yesOrNo,
} from '../../src/config/values.ts';

describe('values', () => {
  test.each([
    ['0', 0],
    ['-0', 0],
    ['+7', 7],
    ['-5', -5],
    ['0x3fffff', 0x3fffff],
    ['#ff', 255],
    ['2147483647', 2147483647],
    ['2147483648', undefined],
    ['-2147483648', -2147483648],
    ['-2147483649', undefined],
    ['', undefined],
    ['010', undefined],
    ['1.5', undefined],
    ['1 000', undefined],
    ['10k', undefined],
    ['0x', undefined],
  ])('integer %s', (text, value) => {
    expect(integer().parse(text)).toBe(value);
  });

  test('bounds and scale', () => {
    expect(port.parse('65536')).toBeUndefined();
    expect(port.parse('-1')).toBeUndefined();
    expect(integer({ min: -1, scale: 1000 }).parse('-1')).toBe(-1);
    expect(integer({ min: 1, scale: 1000 }).parse('15')).toBe(15_000);
    expect(long().parse('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
    expect(long().parse('9007199254740993')).toBeUndefined();
    expect(sizeLimit(1024, 'KB').parse('65536')).toBe(67_108_864);
    expect(sizeLimit(1024, 'KB').parse('-1')).toBe(0);
    expect(sizeLimit(1024, 'KB').parse('-2')).toBeUndefined();
  });

  test('true and false in any case, and no other word', () => {
    expect(['true', 'TRUE', 'False'].map(boolean.parse)).toEqual([true, true, false]);
    expect(['yes', '1', 'on', '', 'truee'].map(boolean.parse)).toEqual(Array(5).fill(undefined));
  });

  test('yes and no exactly, as ZooKeeper compares them', () => {
    expect(['yes', 'no', 'Yes', 'true', ''].map(yesOrNo.parse)).toEqual([true, false, undefined, undefined, undefined]);
  });

  test.each([
    ['0', 0],
    ['24', 86_400_000],
    ['30m', 1_800_000],
    ['90S', 90_000],
    ['500ms', 500],
    ['1d', 86_400_000],
    ['1h', 3_600_000],
    ['', undefined],
    ['1w', undefined],
    ['-1', undefined],
    ['1.5h', undefined],
  ])('interval %s', (text, value) => {
    expect(intervalInHours.parse(text)).toBe(value);
  });

  test('sizes, shares, lists, words', () => {
    expect(['256MB', '10kb', '7', '1GB', 'x'].map(fileSize.parse)).toEqual([2 ** 28, 10240, 7, 2 ** 30, undefined]);
    expect(['0', '.5', '1.0', '1.1', '-0.1', 'a'].map(decimal(0, 1).parse)).toEqual([
      0,
      0.5,
      1,
      ...Array(3).fill(undefined),
    ]);
    expect(list.parse(' a, b,,c ')).toEqual(['a', 'b', 'c']);
    expect(oneOf({ '': 'none', gz: 'gz' }).parse('GZ')).toBe('gz');
    expect(oneOf({ '': 'none', gz: 'gz' }).parse('')).toBe('none');
    expect(oneOf({ gz: 'gz' }).parse('zip')).toBeUndefined();
  });
});
