/** A series of seeds: what its runs come to, in one process or in several. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Kind, Outcome } from './kinds.ts';

const PROGRESS_EVERY = 500;
const FAILURES_MAX = 10;

/** Where outcomes go. */
export interface SeriesPort {
  /** Enough runs have failed, or not yet. */
  readonly goesOn: boolean;
  add(outcome: Outcome): void;
}

export class Series implements SeriesPort {
  readonly failed: Outcome[] = [];
  readonly #print: (line: string) => void;
  /** By kind and situation: how often it was met. */
  readonly #happened = new Map<string, Map<string, number>>();
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

  add(outcome: Outcome): void {
    const { kind, seed, failure, framesChecked, restarts, simulatedMs, happened } = outcome;
    this.#runs++;
    this.#framesChecked += framesChecked;
    this.#restarts += restarts;
    this.#simulatedMs += simulatedMs;
    const ofKind = this.#happened.get(kind) ?? new Map<string, number>();
    this.#happened.set(kind, ofKind);
    for (const [what, count] of happened) {
      ofKind.set(what, (ofKind.get(what) ?? 0) + count);
    }
    if (failure !== null) {
      this.failed.push(outcome);
      this.#print(`${kind}, seed ${seed}: ${failure}`);
    }
    if (this.#runs % PROGRESS_EVERY === 0) {
      this.#print(`${this.#runs} runs, ${this.failed.length} failed, ${this.#pace()}`);
    }
  }

  #pace(): string {
    const seconds = (performance.now() - this.#startMs) / 1000;
    const simulatedSeconds = this.#simulatedMs / 1000;
    return (
      `${seconds.toFixed(1)} s (${(this.#runs / seconds).toFixed(1)} runs and ` +
      `${(simulatedSeconds / seconds).toFixed(0)} simulated seconds in a second)`
    );
  }

  /** Says what it has come to. */
  summarize(kinds: readonly Kind[]): void {
    const hours = (this.#simulatedMs / 3_600_000).toFixed(1);
    this.#print(
      `${this.#runs} runs in ${this.#pace()}: ${hours} simulated hours, ${this.#restarts} restarts, ` +
        `${this.#framesChecked} answers and events checked, ${this.failed.length} failed`,
    );
    for (const kind of kinds) {
      const happened = this.#happened.get(kind.name);
      if (happened !== undefined) {
        this.#print(`happened (${kind.name}): ${kind.describeHappened(happened)}`);
      }
    }
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
    child.on('message', (outcome) => {
      series.add(outcome as Outcome);
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

/** In a process of `runJobs`: outcomes go to the one that has started it. */
export function portToParent(): SeriesPort {
  return { goesOn: true, add: (outcome) => void process.send?.(outcome) };
}
