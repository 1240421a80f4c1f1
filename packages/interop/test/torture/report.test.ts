/** What people read after a run. */
import { describe, expect, test } from 'vitest';
import { Checks } from '../../src/suite.ts';
import { Figures, Findings } from '../../src/torture/figures.ts';
import { median, reportOf } from '../../src/torture/report.ts';

function figuresOf(product: 'apache' | 'treekeeper', pausesMs: readonly number[]): Figures {
  const figures = new Figures(product);
  figures.seeds.push(7, 8);
  figures.minutes = 2.04;
  for (const ms of pausesMs) {
    figures.addFault('kill leader', ms, ms / 10);
  }
  return figures;
}

/** Columns of a line, however wide. */
function cells(report: readonly string[], label: string): string[][] {
  const lines = report.filter((line) => line.trim().startsWith(label));
  return lines.map((line) => line.trim().slice(label.length).trim().split(/\s+/));
}

describe('the report', () => {
  test('holds both products beside each other', () => {
    const ours = figuresOf('treekeeper', [300, 100, 200]);
    const theirs = figuresOf('apache', [1000, 4000.4]);
    theirs.addFault('wiped', 50, 60);
    theirs.findings.set('stale', 1234);
    ours.means.add('loopback');
    theirs.means.add('loopback');
    theirs.addExcused('its disk is full');
    const report = reportOf('Torture', [ours, theirs]);
    expect(report.slice(0, 2)).toEqual(['Torture', '  loopback']);
    expect(cells(report, 'minutes')).toEqual([['2.0', '2.0']]);
    expect(cells(report, 'seeds')).toEqual([['7-8', '7-8']]);
    expect(cells(report, 'faults ')[0]).toEqual(['3', '3']);
    expect(cells(report, 'reads behind a sync that are stale')).toEqual([['0', '1,234']]);
    expect(cells(report, 'ended, and may: its disk is full')).toEqual([['0', '1']]);
    expect(cells(report, 'kill leader')).toEqual([
      ['3', '200', '300', '2', '4,000', '4,000'],
      ['3', '20', '30', '2', '400', '400'],
    ]);
    expect(cells(report, 'wiped')[0]).toEqual(['-', '1', '50', '50']);
  });

  test('of what was found counts each kind, and every failure is one of the checks', () => {
    const figures = new Figures('treekeeper');
    const checks = new Checks();
    const findings = new Findings(checks, figures);
    findings.that('tree', 'the same trees', true, () => 'never asked');
    findings.count('lost', 2);
    expect(cells(reportOf('Torture', [figures]), 'acknowledged writes that are lost')).toEqual([['2']]);
    expect(cells(reportOf('Torture', [figures]), 'servers whose tree or digest differs')).toEqual([['0']]);
    expect(checks).toMatchObject({ passed: 1, failures: [] });
  });
});

test('the median is one of the numbers', () => {
  expect(median([5])).toBe(5);
  expect(median([9, 1, 5])).toBe(5);
  expect(median([10, 9, 1, 5])).toBe(9);
});
