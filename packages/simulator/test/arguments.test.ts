/** Arguments of `npm run simulate`, and what a seed of the mix is. */
import { describe, expect, test } from 'vitest';
import { readOptions } from '../src/arguments.ts';
import { ENSEMBLE, mixedKindOf, RECIPES, STANDALONE } from '../src/kinds.ts';

const KINDS = { runs: 'number', scenario: 'text', verbose: 'flag' } as const;

describe('options', () => {
  test('are numbers, texts and flags; those that are not given are null or false', () => {
    expect(readOptions(['--runs', '12', '--verbose'], KINDS)).toEqual({ runs: 12, scenario: null, verbose: true });
    expect(readOptions(['--scenario=lock'], KINDS)).toEqual({ runs: null, scenario: 'lock', verbose: false });
    expect(readOptions(['--runs', '1', '--runs', '2'], KINDS).runs).toBe(2);
  });

  test('that cannot be understood are named', () => {
    expect(() => readOptions(['--runs', '-3x'], KINDS)).toThrow(/--runs/);
    expect(() => readOptions(['--runs', '3x'], KINDS)).toThrow('--runs is a number, not "3x"');
    expect(() => readOptions(['--run', '3'], KINDS)).toThrow(/--run/);
    expect(() => readOptions(['--scenario'], KINDS)).toThrow(/--scenario/);
    expect(() => readOptions(['lock'], KINDS)).toThrow(/lock/);
  });
});

describe('the mix', () => {
  const seeds = Array.from({ length: 60 }, (_, i) => i + 1);

  test('has four single servers, three ensembles and three recipes in ten seeds, wherever they begin', () => {
    for (const from of [0, 1, 7, 100_003]) {
      const kinds = Array.from({ length: 10 }, (_, i) => mixedKindOf(from + i));
      expect(kinds.filter((kind) => kind === STANDALONE)).toHaveLength(4);
      expect(kinds.filter((kind) => kind === ENSEMBLE)).toHaveLength(3);
      expect(kinds.filter((kind) => RECIPES.includes(kind))).toHaveLength(3);
    }
  });

  test('takes the scenarios of recipes by turns', () => {
    const met = seeds.map(mixedKindOf).filter((kind) => RECIPES.includes(kind));
    expect(met).toHaveLength(RECIPES.length);
    expect(new Set(met).size).toBe(RECIPES.length);
  });
});
