/**
 * Loaded into the server's process (`node --import`): how long its event loop stands still, told apart from what other
 * programs on the machine do to it. SIGUSR2 writes what has been seen since the last one into the working directory.
 */
import { openSync, readSync, renameSync, writeFileSync } from 'node:fs';
import { PerformanceObserver, performance } from 'node:perf_hooks';

const METER_FILE = 'meter.json';

/** Rounds of the event loop: from the beginning of one turn to that of the next. */
export interface MeterReport {
  readonly turns: number;
  /** Processor time of the main thread in the longest rounds, ms, longest first; the kernel counts in steps of 4 ms. */
  readonly longestMs: readonly number[];
  /** The longest turn by the clock on the wall. */
  readonly maxWallMs: number;
  /** The longest pause for the garbage collector, ms on the wall, and how often it came. */
  readonly gcMaxMs: number;
  readonly gcCount: number;
}

const LONGEST = 5;
const schedstat = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
const text = Buffer.alloc(64);

/** What the main thread has had of a processor; its first field is in nanoseconds. */
function threadCpuMs(): number {
  const length = readSync(schedstat, text, 0, text.length, 0);
  return Number.parseInt(text.toString('latin1', 0, length), 10) / 1e6;
}

let roundsMs: number[] = [];
let maxWallMs = 0;
let gcMaxMs = 0;
let gcCount = 0;
/** −1: the first turn comes after loading the program. */
let lastMs = -1;

function mark(): void {
  const nowMs = threadCpuMs();
  if (lastMs >= 0) {
    roundsMs.push(nowMs - lastMs);
  }
  lastMs = nowMs;
}

const schedule = globalThis.setImmediate;
/** Each turn of the server is an immediate. */
globalThis.setImmediate = ((turn: (...given: unknown[]) => void, ...given: unknown[]) =>
  schedule(() => {
    mark();
    const began = performance.now();
    turn(...given);
    maxWallMs = Math.max(maxWallMs, performance.now() - began);
  })) as typeof setImmediate;

new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) {
    gcMaxMs = Math.max(gcMaxMs, duration);
    gcCount++;
  }
}).observe({ entryTypes: ['gc'] });

process.on('SIGUSR2', () => {
  const sorted = roundsMs.sort((a, b) => b - a);
  const rounded = (ms: number | undefined): number => Math.round((ms ?? 0) * 100) / 100;
  const report: MeterReport = {
    turns: sorted.length,
    longestMs: sorted.slice(0, LONGEST).map(rounded),
    maxWallMs: rounded(maxWallMs),
    gcMaxMs: rounded(gcMaxMs),
    gcCount,
  };
  writeFileSync(`${METER_FILE}.tmp`, JSON.stringify(report));
  renameSync(`${METER_FILE}.tmp`, METER_FILE);
  roundsMs = [];
  maxWallMs = 0;
  gcMaxMs = 0;
  gcCount = 0;
  lastMs = threadCpuMs();
});
