/** Figures of one product, or of two beside each other, as a text that people read. */
import type { Flavour } from '../servers.ts';
import type { FaultFigures, Figures, FindingKind } from './figures.ts';

const LABEL_WIDTH = 44;
const COLUMN_WIDTH = 26;
const names: Readonly<Record<Flavour, string>> = { treekeeper: 'Treekeeper', apache: 'Apache ZooKeeper' };

/** What must not be, in the order of the report. */
const findings: readonly (readonly [FindingKind, string])[] = [
  ['lost', 'acknowledged writes that are lost'],
  ['fork', 'writes with two histories'],
  ['stale', 'reads behind a sync that are stale'],
  ['order', 'writes out of order, or done and refused'],
  ['session', 'sessions that go back'],
  ['number', 'sequence numbers that are wrong'],
  ['owned', 'ephemerals without session, or reverse'],
  ['linearizability', 'objects that no order of calls explains'],
  ['watch', 'watches that lie, or tell late, twice, never'],
  ['right', 'calls without the right to them, or reverse'],
  ['quota', 'writes beyond a quota'],
  ['tree', 'servers whose tree or digest differs'],
  ['stuck', 'faults that they did not recover from'],
  ['ended', 'servers that ended by themselves'],
];

/** `title` says what was run; every column holds one product. */
export function reportOf(title: string, columns: readonly Figures[]): string[] {
  const row = (label: string, value: (figures: Figures) => string | number): string =>
    label.padEnd(LABEL_WIDTH) + columns.map((figures) => shown(value(figures)).padStart(COLUMN_WIDTH)).join('');
  return [
    title,
    ...[...new Set(columns.flatMap(({ means }) => [...means]))].map((means) => `  ${means}`),
    '',
    row('', ({ product }) => names[product]),
    row('minutes', ({ minutes }) => minutes.toFixed(1)),
    row('seeds', ({ seeds }) => (seeds.length < 2 ? seeds.join() : `${seeds[0]}-${seeds[seeds.length - 1]}`)),
    row('faults', ({ faultCount }) => faultCount),
    row('calls of clients', ({ calls }) => calls),
    row('sessions', ({ sessions }) => sessions),
    row('writes acknowledged', ({ acknowledged }) => acknowledged),
    row('reads behind a sync', ({ syncedReads }) => syncedReads),
    row('watches, and their events', ({ watches, events }) => `${shown(watches)}, ${shown(events)}`),
    row('calls that an ACL or a quota forbids', ({ forbidden }) => forbidden),
    '',
    'found',
    ...findings.map(([kind, label]) => row(`  ${label}`, (figures) => figures.findings.get(kind) ?? 0)),
    ...excuses(columns).map((reason) => row(`  ended, and may: ${reason}`, ({ excused }) => excused.get(reason) ?? 0)),
    '',
    ...faultTable('longest time without an acknowledged write', columns, ({ withoutWritesMs }) => withoutWritesMs),
    '',
    ...faultTable('from the end of the fault until all serve', columns, ({ recoveriesMs }) => recoveriesMs),
  ];
}

function excuses(columns: readonly Figures[]): string[] {
  return [...new Set(columns.flatMap(({ excused }) => [...excused.keys()]))].sort();
}

/** Median and maximum for each fault, and how often it was. */
function faultTable(
  title: string,
  columns: readonly Figures[],
  pick: (figures: FaultFigures) => readonly number[],
): string[] {
  const row = (label: string, cells: readonly string[]): string =>
    label.padEnd(LABEL_WIDTH) + cells.map((cell) => cell.padStart(COLUMN_WIDTH)).join('');
  const kinds = [...new Set(columns.flatMap(({ faults }) => [...faults.keys()]))].sort();
  return [
    row(
      `${title}, ms`,
      columns.map(() => ''),
    ).trimEnd(),
    row(
      '',
      columns.map(() => 'times   median      max'),
    ),
    ...kinds.map((kind) => {
      const cells = columns.map(({ faults }) => {
        const figures = faults.get(kind);
        return figures === undefined ? '-' : spread(pick(figures));
      });
      return row(`  ${kind}`, cells);
    }),
  ];
}

function spread(ms: readonly number[]): string {
  return `${ms.length}${shown(Math.round(median(ms))).padStart(9)}${shown(Math.round(Math.max(...ms))).padStart(9)}`;
}

/** The upper one of two in the middle. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

function shown(value: string | number): string {
  return typeof value === 'number' ? value.toLocaleString('en-US') : value;
}
