import { Counter, CounterSet, PercentileSummary, Summary } from '../../metrics/primitives.ts';
import type { Instrument } from '../../metrics/registry.ts';
import { average, type Double } from '../format.ts';
import { VERSION_TEXT } from '../version.ts';
import type { ServerView } from '../view.ts';
import { ensembleGauges, peerState } from './ensemble-gauges.ts';
import { gauges, quotaGauges, quotasByNamespace } from './gauges.ts';

export type MonitorEntry = readonly [key: string, value: string | number | Double];

/** Keys and values of `mntr` and of the monitor command, version and state first. Whole numbers are whole. */
export function* monitorEntries(view: ServerView): Generator<MonitorEntry> {
  yield ['version', VERSION_TEXT];
  yield ['server_state', view.mode];
  for (const gauge of gauges) {
    const value = gauge.read(view);
    yield [gauge.name, typeof value === 'number' ? Math.trunc(value) : value];
  }
  yield* ensembleEntries(view);
  for (const quota of quotasByNamespace(view)) {
    for (const gauge of quotaGauges) {
      yield [`${quota.namespace}_${gauge.name}`, gauge.read(quota)];
    }
  }
  for (const [name, instrument] of Object.entries(view.metrics)) {
    yield* instrumentEntries(name, instrument);
  }
}

/** Of a member; more of a leader. */
function* ensembleEntries(view: ServerView): Generator<MonitorEntry> {
  const { ensemble, mode } = view;
  if (ensemble === null) {
    return;
  }
  yield ['peer_state', peerState(ensemble)];
  if (ensemble.state === 'observing' && ensemble.masterId !== null) {
    yield ['observer_master_id', ensemble.masterId];
  }
  for (const gauge of ensembleGauges(mode)) {
    yield [gauge.name, gauge.read(ensemble, view.clock.nowMs)];
  }
}

function* instrumentEntries(name: string, instrument: Instrument): Generator<MonitorEntry> {
  if (instrument instanceof Counter) {
    yield [name, instrument.value];
  } else if (instrument instanceof Summary) {
    yield* summaryEntries(name, instrument);
  } else if (instrument instanceof CounterSet) {
    for (const [label, counter] of instrument) {
      yield [`${label}_${name}`, counter.value];
    }
  } else {
    for (const [label, summary] of instrument) {
      yield* summaryEntries(`${label}_${name}`, summary);
    }
  }
}

function* summaryEntries(name: string, summary: Summary): Generator<MonitorEntry> {
  yield [`avg_${name}`, average(summary.sum, summary.count)];
  yield [`min_${name}`, Math.trunc(summary.min)];
  yield [`max_${name}`, Math.trunc(summary.max)];
  yield [`cnt_${name}`, summary.count];
  yield [`sum_${name}`, Math.trunc(summary.sum)];
  if (summary instanceof PercentileSummary && summary.tail) {
    yield [`p50_${name}`, Math.trunc(summary.percentile(0.5))];
    yield [`p95_${name}`, Math.trunc(summary.percentile(0.95))];
    yield [`p99_${name}`, Math.trunc(summary.percentile(0.99))];
    yield [`p999_${name}`, Math.trunc(summary.percentile(0.999))];
  }
}
