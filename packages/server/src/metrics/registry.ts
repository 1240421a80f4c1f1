import { OpCode } from '@treekeeper/protocol';
import { Counter, CounterSet, PercentileSummary, PercentileSummarySet, SummarySet } from './primitives.ts';
import { type MetricName, type MetricType, metricTable } from './table.ts';

interface InstrumentOf {
  counter: Counter;
  counterSet: CounterSet;
  summary: PercentileSummary;
  percentileSummary: PercentileSummary;
  summarySet: SummarySet;
  percentileSummarySet: PercentileSummarySet;
}

export type Instrument = InstrumentOf[MetricType];

/**
 * An instrument for each row of the table, by ZooKeeper's name: `metrics.fsynctime.add(3)`. The object has too many
 * properties for the engine to look one up in a nanosecond, so a hot path takes its instruments once and keeps them.
 */
export type Metrics = { readonly [N in MetricName]: InstrumentOf[(typeof metricTable)[N]['type']] };

const create: { readonly [T in MetricType]: () => InstrumentOf[T] } = {
  counter: () => new Counter(),
  counterSet: () => new CounterSet(),
  summary: () => new PercentileSummary(false),
  percentileSummary: () => new PercentileSummary(true),
  summarySet: () => new SummarySet(),
  percentileSummarySet: () => new PercentileSummarySet(),
};

export function createMetrics(): Metrics {
  const entries = Object.entries(metricTable).map(([name, row]) => [name, create[row.type]()]);
  return Object.fromEntries(entries) as Metrics;
}

/** Back to the start (`srst`). */
export function resetMetrics(metrics: Metrics): void {
  for (const instrument of Object.values(metrics)) {
    instrument.reset();
  }
}

/**
 * Ends the time slot of the quantiles that Prometheus reads; they cover the current slot and the one before. To be
 * called every `metricsProvider.prometheusMetricsSummaryRotateIntervalSeconds`.
 */
export function rotateMetrics(metrics: Metrics): void {
  for (const instrument of Object.values(metrics)) {
    if (instrument instanceof PercentileSummary || instrument instanceof PercentileSummarySet) {
      instrument.rotate();
    }
  }
}

/** Counts requests by operation in one addition each: an opcode's low seven bits are its own (107 down to -11). */
export class OperationCounters {
  readonly #total: Counter;
  readonly #byOpcode: Counter[];

  constructor(metrics: Metrics) {
    this.#total = metrics.op_count_total;
    const others = new Counter();
    this.#byOpcode = Array.from({ length: 128 }, () => others);
    for (const [metric, opcodes] of operationsOf(metrics)) {
      for (const opcode of opcodes) {
        this.#byOpcode[opcode & 127] = metric;
      }
    }
  }

  record(opcode: number): void {
    this.#total.value += 1;
    this.#byOpcode[opcode & 127].value += 1;
  }
}

function operationsOf(metrics: Metrics): [metric: Counter, opcodes: number[]][] {
  return [
    [metrics.op_count_add_watch, [OpCode.addWatch]],
    [metrics.op_count_check, [OpCode.check]],
    [metrics.op_count_check_watches, [OpCode.checkWatches]],
    [metrics.op_count_close_session, [OpCode.closeSession]],
    [metrics.op_count_create, [OpCode.create, OpCode.create2, OpCode.createContainer, OpCode.createTTL]],
    [metrics.op_count_create_session, [OpCode.createSession]],
    [metrics.op_count_delete, [OpCode.delete, OpCode.deleteContainer]],
    [metrics.op_count_exists, [OpCode.exists]],
    [metrics.op_count_get_acl, [OpCode.getACL]],
    [metrics.op_count_get_all_children_number, [OpCode.getAllChildrenNumber]],
    [metrics.op_count_get_children, [OpCode.getChildren, OpCode.getChildren2]],
    [metrics.op_count_get_data, [OpCode.getData]],
    [metrics.op_count_get_ephemerals, [OpCode.getEphemerals]],
    [metrics.op_count_multi, [OpCode.multi]],
    [metrics.op_count_multi_read, [OpCode.multiRead]],
    [metrics.op_count_ping, [OpCode.ping]],
    [metrics.op_count_reconfig, [OpCode.reconfig]],
    [metrics.op_count_remove_watches, [OpCode.removeWatches]],
    [metrics.op_count_set_acl, [OpCode.setACL]],
    [metrics.op_count_set_data, [OpCode.setData]],
    [metrics.op_count_set_watches, [OpCode.setWatches, OpCode.setWatches2]],
    [metrics.op_count_sync, [OpCode.sync]],
    [metrics.op_count_who_am_i, [OpCode.whoAmI]],
  ];
}
