/**
 * The text exposition format 0.0.4 with ZooKeeper's names: metric names as they stand, summaries with quantiles and
 * `_sum` and `_count`, sets with the label `key` (without quantiles where the label is a top-level node: a
 * distribution for each would cost more than it tells). Written here because a library's summaries neither record as
 * cheaply nor reset and rotate as ZooKeeper's (docs/decisions/0011-admin-http.md).
 */

import { Counter, CounterSet, PercentileSummary, Summary } from '../../metrics/primitives.ts';
import { type MetricName, metricTable } from '../../metrics/table.ts';
import type { ServerView } from '../view.ts';
import { ensembleGauges } from './ensemble-gauges.ts';
import { gauges, quotaGauges, quotasByNamespace } from './gauges.ts';

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** One metric of the process itself, not of ZooKeeper (see runtime.ts). */
export interface RuntimeMetric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly meaning: string;
  /** Label pairs as printed (`area="heap"`), or empty. */
  readonly samples: readonly (readonly [labels: string, value: number])[];
}

export function prometheusText(view: ServerView, runtime: readonly RuntimeMetric[]): string {
  const out: string[] = [];
  for (const gauge of gauges) {
    header(out, gauge.name, 'gauge', gauge.meaning);
    out.push(`${gauge.name} ${numberText(Number(gauge.read(view)))}\n`);
  }
  const { ensemble } = view;
  if (ensemble !== null) {
    for (const gauge of ensembleGauges(view.mode)) {
      header(out, gauge.name, 'gauge', gauge.meaning);
      out.push(`${gauge.name} ${numberText(gauge.read(ensemble, view.clock.nowMs))}\n`);
    }
  }
  const quotas = quotasByNamespace(view);
  for (const gauge of quotaGauges) {
    header(out, gauge.name, 'gauge', `${gauge.meaning}, by top-level node with a quota`);
    for (const quota of quotas) {
      out.push(`${gauge.name}{key="${escapeLabel(quota.namespace)}"} ${numberText(gauge.read(quota))}\n`);
    }
  }
  for (const name of Object.keys(metricTable) as MetricName[]) {
    instrumentText(out, name, view);
  }
  for (const metric of runtime) {
    header(out, metric.name, metric.type, metric.meaning);
    for (const [labels, value] of metric.samples) {
      out.push(`${metric.name}${labels === '' ? '' : `{${labels}}`} ${numberText(value)}\n`);
    }
  }
  return out.join('');
}

function instrumentText(out: string[], name: MetricName, view: ServerView): void {
  const instrument = view.metrics[name];
  const { meaning } = metricTable[name];
  if (instrument instanceof Counter) {
    header(out, name, 'counter', meaning);
    out.push(`${name} ${numberText(instrument.value)}\n`);
  } else if (instrument instanceof Summary) {
    header(out, name, 'summary', meaning);
    summaryText(out, name, '', instrument);
  } else if (instrument instanceof CounterSet) {
    header(out, name, 'counter', meaning);
    for (const [label, counter] of instrument) {
      out.push(`${name}{key="${escapeLabel(label)}"} ${numberText(counter.value)}\n`);
    }
  } else {
    header(out, name, 'summary', meaning);
    for (const [label, summary] of instrument) {
      summaryText(out, name, `key="${escapeLabel(label)}"`, summary);
    }
  }
}

const MEDIAN = [0.5] as const;
const TAIL = [0.5, 0.95, 0.99] as const;

function summaryText(out: string[], name: string, labels: string, summary: Summary): void {
  if (summary instanceof PercentileSummary) {
    const separator = labels === '' ? '' : ',';
    for (const quantile of summary.tail ? TAIL : MEDIAN) {
      const value = numberText(summary.windowPercentile(quantile));
      out.push(`${name}{${labels}${separator}quantile="${quantile}"} ${value}\n`);
    }
  }
  const labelled = labels === '' ? '' : `{${labels}}`;
  out.push(`${name}_count${labelled} ${numberText(summary.count)}\n`);
  out.push(`${name}_sum${labelled} ${numberText(summary.sum)}\n`);
}

function header(out: string[], name: string, type: string, meaning: string): void {
  out.push(`# HELP ${name} ${meaning}\n# TYPE ${name} ${type}\n`);
}

function numberText(value: number): string {
  return Number.isFinite(value) ? `${value}` : Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

function escapeLabel(label: string): string {
  return label.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
