/** A thread with one session that pings and pings: its longest wait bounds the server's longest pause. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { Session } from '../session.ts';

const PAUSE_MS = 1;

export interface ProbeInput {
  readonly port: number;
}

/** What the thread answers to each message that it gets. */
export interface ProbeReport {
  readonly pings: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const { port } = workerData as ProbeInput;
let waitsMs: number[] = [];

function report(): ProbeReport {
  const sorted = [...waitsMs].sort((a, b) => a - b);
  const at = (share: number): number => Number((sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2));
  const result = { pings: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(0.99999999) };
  waitsMs = [];
  return result;
}

parentPort?.on('message', () => parentPort?.postMessage(report()));
const session = await Session.open(port, { timeoutMs: 30_000 });
for (;;) {
  const began = performance.now();
  await session.ping();
  waitsMs.push(performance.now() - began);
  await sleep(PAUSE_MS);
}
