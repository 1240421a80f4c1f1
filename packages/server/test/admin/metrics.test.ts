import { readdirSync, readFileSync } from 'node:fs';
import { OpCode } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gauges, quotaGauges } from '../../src/admin/metrics/gauges.ts';
import { monitorEntries } from '../../src/admin/metrics/monitor.ts';
import { prometheusText } from '../../src/admin/metrics/prometheus.ts';
import { runtimeMetrics } from '../../src/admin/metrics/runtime.ts';
import {
  Counter,
  LABELS_MAX,
  LabelledSet,
  PercentileSummary,
  Summary,
  SummarySet,
} from '../../src/metrics/primitives.ts';
import { createMetrics, OperationCounters, resetMetrics, rotateMetrics } from '../../src/metrics/registry.ts';
import { idleMetrics, metricTable } from '../../src/metrics/table.ts';
import { fakeView } from './fake-view.ts';

const samples = fc.array(fc.nat({ max: 100_000 }), { minLength: 1, maxLength: 200 });

function addAll(summary: Summary, values: readonly number[]): void {
  for (const value of values) {
    summary.add(value);
  }
}

/** The obvious percentile: sort and count. */
function percentileOf(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1];
}

describe('a summary', () => {
  test('agrees with the list of its samples', () => {
    fc.assert(
      fc.property(samples, (values) => {
        const summary = new Summary();
        addAll(summary, values);
        const sum = values.reduce((a, b) => a + b);
        expect(summary).toMatchObject({
          count: values.length,
          sum,
          min: Math.min(...values),
          max: Math.max(...values),
        });
      }),
    );
  });

  test('percentiles are within 1/32 of those of the sorted list, and exact below 32', () => {
    fc.assert(
      fc.property(samples, fc.constantFrom(0, 0.5, 0.95, 0.99, 0.999, 1), (values, share) => {
        const summary = new PercentileSummary(true);
        addAll(summary, values);
        const expected = percentileOf(values, share);
        const error = Math.abs(summary.percentile(share) - expected);
        expect(error).toBeLessThanOrEqual(expected < 32 ? 0 : expected / 32);
      }),
    );
  });

  test('odd samples land in the outermost buckets', () => {
    const summary = new PercentileSummary(true);
    summary.add(-3);
    summary.add(2 ** 40);
    expect([summary.percentile(0), summary.percentile(1)]).toEqual([0, (31 * 2 + 1) * 2 ** 25]);
    expect([summary.min, summary.max]).toEqual([-3, 2 ** 40]);
  });

  test('nothing yet', () => {
    const summary = new PercentileSummary(true);
    expect([summary.percentile(0.5), summary.windowPercentile(0.5)]).toEqual([0, Number.NaN]);
  });

  test('the window holds this slot and the last, whatever came before', () => {
    const slots = fc.array(samples, { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(slots, fc.constantFrom(0.5, 0.99), (values, share) => {
        const summary = new PercentileSummary(true);
        values.forEach((slot, i) => {
          if (i > 0) {
            summary.rotate();
          }
          addAll(summary, slot);
        });
        const expected = percentileOf(values.slice(-2).flat(), share);
        const error = Math.abs(summary.windowPercentile(share) - expected);
        expect(error).toBeLessThanOrEqual(expected < 32 ? 0 : expected / 32);
      }),
    );
  });

  test('an idle window tells nothing, while the whole still knows', () => {
    const summary = new PercentileSummary(true);
    summary.add(7);
    summary.rotate();
    expect(summary.windowPercentile(0.5)).toBe(7);
    summary.rotate();
    expect([summary.windowPercentile(0.5), summary.percentile(0.5)]).toEqual([Number.NaN, 7]);
    summary.reset();
    summary.add(9);
    expect(summary.windowPercentile(0.5)).toBe(9);
  });
});

describe('sets', () => {
  test('are bounded', () => {
    const set = new LabelledSet(() => new Counter());
    for (let i = 0; i < LABELS_MAX + 5; i++) {
      set.get(`node${i}`)?.add(1);
    }
    expect([...set].length).toBe(LABELS_MAX);
    expect(set.get('late')).toBeUndefined();
    expect(set.get('node0')?.value).toBe(1);
  });

  test('a path counts under its top-level node', () => {
    const path = fc.array(fc.constantFrom('a', 'ab', 'b', 'c'), { maxLength: 3 }).map((names) => `/${names.join('/')}`);
    fc.assert(
      fc.property(fc.array(path), (paths) => {
        const set = new SummarySet();
        const expected: Record<string, number> = {};
        for (const path of paths) {
          set.addPath(path, 2);
          const [, root] = path.split('/');
          if (root !== '') {
            expected[root] = (expected[root] ?? 0) + 1;
          }
        }
        expect(Object.fromEntries([...set].map(([label, { count }]) => [label, count]))).toEqual(expected);
      }),
    );
  });
});

/** What Apache ZooKeeper does not count: damaged data, and data that were healed. */
const OWN_COUNTERS = 2;

describe('the table', () => {
  const count = (type: string) => Object.values(metricTable).filter((row) => row.type === type).length;

  test("as many families of each type as ZooKeeper has, its ensembles' ten gauges left out; one gauge is our own", () => {
    expect({ gauges: gauges.length - 1, quotaGauges: quotaGauges.length }).toEqual({ gauges: 24, quotaGauges: 4 });
    expect({
      counter: count('counter'),
      counterSet: count('counterSet'),
      summary: count('summary'),
      percentileSummary: count('percentileSummary'),
      summarySet: count('summarySet'),
      percentileSummarySet: count('percentileSummarySet'),
    }).toEqual({
      counter: 3 + 26 + 3 + 1 + 2 + 4 + 6 + 15 + 6 + 4 + 5 + 2 + OWN_COUNTERS,
      counterSet: 1,
      summary: 1 + 3 + 4 + 14 + 6 + 8 + 2 + 4,
      percentileSummary: 2 + 7 + 2 + 3 + 6 + 1 + 1 + 1,
      summarySet: 1 + 2,
      percentileSummarySet: 1 + 1,
    });
  });

  test("every key of Apache ZooKeeper's mntr is there", () => {
    const view = fakeView({
      quotas: () => [{ namespace: 'q', countLimit: 5, bytesLimit: 100, countUsage: 1, bytesUsage: 4 }],
    });
    view.metrics.read_per_namespace.addPath('/q', 1);
    view.metrics.write_per_namespace.addPath('/q/x', 1);
    view.metrics.write_per_namespace.addPath('/zookeeper/quota', 1);
    const ours = new Set([...monitorEntries(view)].map(([key]) => `zk_${key}`));
    const theirs = readFileSync(new URL('./golden/mntr-keys-3.8.txt', import.meta.url), 'utf8')
      .trim()
      .split('\n');
    expect(theirs.length).toBe(504);
    expect(theirs.filter((key) => !ours.has(key))).toEqual([]);
  });
});

test('each operation counts under its name, and all of them in the total', () => {
  const metrics = createMetrics();
  const counters = new OperationCounters(metrics);
  for (const opcode of Object.values(OpCode)) {
    counters.record(opcode);
  }
  const counted = Object.entries(metrics).filter(([name]) => name.startsWith('op_count_'));
  const several = { op_count_create: 4, op_count_delete: 2, op_count_get_children: 2, op_count_set_watches: 2 };
  const total = { op_count_total: Object.keys(OpCode).length };
  const once = Object.fromEntries(counted.map(([name]) => [name, 1]));
  expect(Object.fromEntries(counted.map(([name, counter]) => [name, (counter as Counter).value]))).toEqual({
    ...once,
    ...several,
    ...total,
  });
});

test('summaries in mntr', () => {
  const view = fakeView();
  view.metrics.fsynctime.add(3);
  view.metrics.fsynctime.add(4.5);
  addAll(view.metrics.updatelatency, [1, 1, 2, 7]);
  view.metrics.quota_exceeded_error_per_namespace.add('q', 2);
  const entries = new Map([...monitorEntries(view)].map(([key, value]) => [key, `${value}`]));
  const values = (...keys: string[]) => keys.map((key) => entries.get(key));
  expect(
    values('avg_fsynctime', 'min_fsynctime', 'max_fsynctime', 'cnt_fsynctime', 'sum_fsynctime', 'p50_fsynctime'),
  ).toEqual(['3.75', '3', '4', '2', '7', undefined]);
  expect(values('avg_updatelatency', 'p50_updatelatency', 'p99_updatelatency', 'p999_updatelatency')).toEqual([
    '2.75',
    '1',
    '7',
    '7',
  ]);
  expect(values('q_quota_exceeded_error_per_namespace')).toEqual(['2']);
  resetMetrics(view.metrics);
  expect(
    [...monitorEntries(view)].filter(([key, value]) => /fsynctime|updatelatency/.test(key) && Number(value) !== 0),
  ).toEqual([]);
});

describe('the exposition', () => {
  const view = fakeView({
    // Two quotas below one top-level node: one series, or the exposition is invalid.
    quotas: () => [
      { namespace: 'a"b\\', countLimit: 1, bytesLimit: 1, countUsage: 1, bytesUsage: 1 },
      { namespace: 'a"b\\', countLimit: 5, bytesLimit: -1, countUsage: 1, bytesUsage: 4 },
    ],
  });
  view.metrics.updatelatency.add(3);
  view.metrics.fsynctime.add(2);
  view.metrics.fsynctime.add(2);
  view.metrics.read_per_namespace.addPath('/app/x', 100);
  view.metrics.ack_latency.add('2', 5);
  view.metrics.quota_exceeded_error_per_namespace.add('q', 1);
  rotateMetrics(view.metrics);
  const text = prometheusText(view, [
    { name: 'jvm_memory_bytes_used', type: 'gauge', meaning: 'memory', samples: [['area="heap"', 1.5]] },
  ]);

  test.each([
    '# TYPE avg_latency gauge\navg_latency 6.9\n',
    '# TYPE znode_count gauge\nznode_count 5\n',
    'quota_bytes_limit_per_namespace{key="a\\"b\\\\"} -1\n',
    '# TYPE op_count_total counter\nop_count_total 0\n',
    '# TYPE fsynctime summary\nfsynctime{quantile="0.5"} 2\nfsynctime_count 2\nfsynctime_sum 4\n',
    'updatelatency{quantile="0.5"} 3\nupdatelatency{quantile="0.95"} 3\nupdatelatency{quantile="0.99"} 3\nupdatelatency_count 1\nupdatelatency_sum 3\n',
    'readlatency{quantile="0.99"} NaN\nreadlatency_count 0\n',
    '# TYPE read_per_namespace summary\nread_per_namespace_count{key="app"} 1\nread_per_namespace_sum{key="app"} 100\n',
    'ack_latency{key="2",quantile="0.95"} 5\n',
    '# TYPE quota_exceeded_error_per_namespace counter\nquota_exceeded_error_per_namespace{key="q"} 1\n',
    'jvm_memory_bytes_used{area="heap"} 1.5\n',
  ])('has %j', (lines) => {
    expect(text).toContain(lines);
  });

  test('every line has the form, every family one header', () => {
    const lines = text.split('\n');
    expect(lines.pop()).toBe('');
    const label = '[a-z]+="(?:[^"\\\\\\n]|\\\\.)*"';
    const form = new RegExp(`^(# (HELP|TYPE) [a-z]\\w* .+|[a-z]\\w*(\\{${label}(,${label})*\\})? (NaN|-?[\\d.e+]+))$`);
    expect(lines.filter((line) => !form.test(line))).toEqual([]);
    const types = lines.filter((line) => line.startsWith('# TYPE')).map((line) => line.split(' ')[2]);
    expect(new Set(types).size).toBe(types.length);
    const series = lines.filter((line) => !line.startsWith('#')).map((line) => line.slice(0, line.lastIndexOf(' ')));
    expect(new Set(series).size).toBe(series.length);
    expect(types.length).toBe(gauges.length + 4 + Object.keys(metricTable).length + 1);
  });

  test('the runtime has real figures', () => {
    const metrics = runtimeMetrics(view.host);
    const resident = metrics.find(({ name }) => name === 'process_resident_memory_bytes');
    expect(resident?.samples[0][1]).toBeGreaterThan(1e6);
  });
});

describe('every metric', () => {
  const sources = readdirSync(new URL('../../src/', import.meta.url), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name !== 'table.ts')
    .map((entry) => readFileSync(`${entry.parentPath}/${entry.name}`, 'utf8'))
    .join('\n');
  const idle = new Set(Object.values(idleMetrics).flat());

  test('is fed by something, or said to be idle and why', () => {
    const names = Object.keys(metricTable) as (keyof typeof metricTable)[];
    const fed = names.filter((name) => new RegExp(`\\b${name}\\b`).test(sources));
    expect(names.filter((name) => !fed.includes(name))).toEqual(names.filter((name) => idle.has(name)));
  });

  test('is idle for one reason', () => {
    expect(Object.values(idleMetrics).flat()).toHaveLength(idle.size);
  });
});
