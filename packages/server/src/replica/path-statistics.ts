/** Which paths are read and written most, from a sample of the requests (pathStats.*): reports in the log. */
import type { Random } from '../io/random.ts';

export interface PathStatisticsOptions {
  /** 0 to 1. */
  readonly sampleRate: number;
  /** Paths are cut to so many names. */
  readonly maxDepth: number;
  /** Paths in a report, of reads and of writes each. */
  readonly topPathMax: number;
  /** Samples are forgotten slot by slot. */
  readonly slotDurationMs: number;
  readonly slotCapacity: number;
  readonly initialDelayMs: number;
  /** 0: no reports. */
  readonly delayMs: number;
}

/** In one slot. Beyond it only paths that are counted already go on: hot ones have come early. */
const PATHS_MAX = 10_000;

interface Slot {
  readonly reads: Map<string, number>;
  readonly writes: Map<string, number>;
}

export class PathStatistics {
  readonly #options: PathStatisticsOptions;
  readonly #random: Random;
  readonly #slots: Slot[] = [newSlot()];
  #nextSlotMs: number;
  #nextReportMs: number;

  constructor(options: PathStatisticsOptions, random: Random, nowMs: number) {
    this.#options = options;
    this.#random = random;
    this.#nextSlotMs = nowMs + options.slotDurationMs;
    this.#nextReportMs = options.delayMs > 0 ? nowMs + options.initialDelayMs : Number.POSITIVE_INFINITY;
  }

  record(kind: 'reads' | 'writes', path: string): void {
    if (this.#random.next() >= this.#options.sampleRate) {
      return;
    }
    const counts = (this.#slots.at(-1) as Slot)[kind];
    const cut = this.#cut(path);
    const count = counts.get(cut);
    if (count !== undefined || counts.size < PATHS_MAX) {
      counts.set(cut, (count ?? 0) + 1);
    }
  }

  #cut(path: string): string {
    let end = 0;
    for (let depth = 0; depth < this.#options.maxDepth; depth++) {
      end = path.indexOf('/', end + 1);
      if (end === -1) {
        return path;
      }
    }
    return path.slice(0, end);
  }

  /** Ends slots; the report, when it is time for one and there is something to tell. */
  tick(nowMs: number): string | null {
    const { slotDurationMs, slotCapacity, delayMs } = this.#options;
    while (nowMs >= this.#nextSlotMs) {
      this.#nextSlotMs += slotDurationMs;
      this.#slots.push(newSlot());
      if (this.#slots.length > slotCapacity) {
        this.#slots.shift();
      }
    }
    if (nowMs < this.#nextReportMs) {
      return null;
    }
    this.#nextReportMs = nowMs + delayMs;
    const [reads, writes] = [this.#top('reads'), this.#top('writes')];
    if (reads === '' && writes === '') {
      return null;
    }
    const minutes = Math.round((this.#slots.length * slotDurationMs) / 60_000);
    const sample = `from ${Math.round(this.#options.sampleRate * 100)} % of the requests`;
    return `hot paths of the last ${minutes} min, ${sample}: read ${reads || '-'}; written ${writes || '-'}`;
  }

  #top(kind: 'reads' | 'writes'): string {
    const total = new Map<string, number>();
    for (const slot of this.#slots) {
      for (const [path, count] of slot[kind]) {
        total.set(path, (total.get(path) ?? 0) + count);
      }
    }
    return [...total]
      .sort(([pathA, a], [pathB, b]) => b - a || (pathA < pathB ? -1 : 1))
      .slice(0, this.#options.topPathMax)
      .map(([path, count]) => `${path} ${count}`)
      .join(', ');
  }
}

function newSlot(): Slot {
  return { reads: new Map(), writes: new Map() };
}
