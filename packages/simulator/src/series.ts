/** A series of seeds: what its runs come to, in one process or in several. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Coverage } from './coverage.ts';
import type { SimulationResult } from './simulation.ts';

const PROGRESS_EVERY = 500;
const FAILURES_MAX = 10;

/** What a series keeps of a run: plain data, that goes from process to process. */
export interface SeedReport {
  readonly seed: number;
  /** Null: nothing wrong was seen. */
  readonly failure: string | null;
  readonly framesChecked: number;
  readonly restarts: number;
  readonly simulatedMs: number;
  readonly coverage: readonly (readonly [name: string, count: number])[];
}

export function reportOf(result: SimulationResult): SeedReport {
  const { seed, failure, framesChecked, restarts, simulatedMs, coverage } = result;
  return { seed, failure: failure?.message ?? null, framesChecked, restarts, simulatedMs, coverage: [...coverage] };
}

/** Where reports go. */
export interface SeriesPort {
  /** Enough seeds have failed, or not yet. */
  readonly goesOn: boolean;
  add(report: SeedReport): void;
}

export class Series implements SeriesPort {
  readonly failed: number[] = [];
  readonly #print: (line: string) => void;
  readonly #coverage = new Coverage();
  readonly #startMs = performance.now();
  #runs = 0;
  #framesChecked = 0;
  #restarts = 0;
  #simulatedMs = 0;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  get goesOn(): boolean {
    return this.failed.length < FAILURES_MAX;
  }

  add({ seed, failure, framesChecked, restarts, simulatedMs, coverage }: SeedReport): void {
    this.#runs++;
    this.#framesChecked += framesChecked;
    this.#restarts += restarts;
    this.#simulatedMs += simulatedMs;
    this.#coverage.add(new Map(coverage));
    if (failure !== null) {
      this.failed.push(seed);
      this.#print(`seed ${seed}: ${failure}`);
    }
    if (this.#runs % PROGRESS_EVERY === 0) {
      this.#print(`${this.#runs} seeds, ${this.failed.length} failed, ${this.#pace()}`);
    }
  }

  #pace(): string {
    const seconds = (performance.now() - this.#startMs) / 1000;
    const simulatedSeconds = this.#simulatedMs / 1000;
    return (
      `${seconds.toFixed(1)} s (${(this.#runs / seconds).toFixed(1)} seeds and ` +
      `${(simulatedSeconds / seconds).toFixed(0)} simulated seconds in a second)`
    );
  }

  /** Says what it has come to. */
  summarize(isEnsemble: boolean): void {
    const hours = (this.#simulatedMs / 3_600_000).toFixed(1);
    this.#print(
      `${this.#runs} seeds in ${this.#pace()}: ${hours} simulated hours, ${this.#restarts} restarts, ` +
        `${this.#framesChecked} answers and events checked, ${this.failed.length} seeds failed`,
    );
    this.#print(`happened: ${this.#coverage.describe(isEnsemble)}`);
  }
}

/**
 * Runs this program in several processes, each with its share of the seeds. Rejects when one of them ends before its
 * work does.
 *
 * @param args what this process was given
 */
export async function runJobs(jobs: number, args: readonly string[], series: Series): Promise<void> {
  const children = Array.from({ length: jobs }, (_, job) => fork(process.argv[1], [...args, '--job', String(job)]));
  const ends = children.map(async (child, job) => {
    child.on('message', (report) => {
      series.add(report as SeedReport);
      if (!series.goesOn) {
        for (const other of children) {
          other.kill();
        }
      }
    });
    const [[code, signal]] = await Promise.all([once(child, 'exit'), once(child, 'disconnect')]);
    if (code !== 0 && series.goesOn) {
      throw new Error(`process ${job} of the series has ended with ${signal ?? `code ${code}`}`);
    }
  });
  await Promise.all(ends);
}

/** In a process of `runJobs`: reports go to the one that has started it. */
export function portToParent(): SeriesPort {
  return { goesOn: true, add: (report) => void process.send?.(report) };
}
