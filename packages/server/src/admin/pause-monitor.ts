/**
 * The counterpart of ZooKeeper's pause monitor (jvm.pause.monitor): a host asks to be woken every `sleepMs` and tells how
 * late it was; lateness is time in which the event loop, and so the server, stood still.
 */
import type { Log } from '../io/log.ts';
import type { PercentileSummary } from '../metrics/primitives.ts';

export interface PauseMonitorOptions {
  /** jvm.pause.sleep.time.ms */
  readonly sleepMs: number;
  /** jvm.pause.info-threshold.ms and jvm.pause.warn-threshold.ms: a longer pause is told to the operator. */
  readonly infoThresholdMs: number;
  readonly warnThresholdMs: number;
}

export class PauseMonitor {
  readonly #options: PauseMonitorOptions;
  readonly #pauses: PercentileSummary;
  readonly #log: Log;
  /** Pauses above the thresholds since the start. */
  infoCount = 0;
  warnCount = 0;

  /** `pauses` is the metric `jvm_pause_time_ms`. */
  constructor(options: PauseMonitorOptions, pauses: PercentileSummary, log: Log) {
    this.#options = options;
    this.#pauses = pauses;
    this.#log = log;
  }

  /** Takes a sample: how long a wait for `sleepMs` took by the monotonic clock. */
  sample(sleptMs: number): void {
    const pauseMs = Math.max(0, Math.round(sleptMs - this.#options.sleepMs));
    this.#pauses.add(pauseMs);
    if (pauseMs > this.#options.warnThresholdMs) {
      this.warnCount += 1;
      this.#log.warn(`the event loop stood still for ${pauseMs} ms`);
    } else if (pauseMs > this.#options.infoThresholdMs) {
      this.infoCount += 1;
      this.#log.info(`the event loop stood still for ${pauseMs} ms`);
    }
  }
}
