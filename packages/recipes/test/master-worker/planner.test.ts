/** What a planner makes of news that come late. */
import { expect, test } from 'vitest';
import type { Fact } from '../../src/master-worker/facts.ts';
import { Planner } from '../../src/master-worker/planner.ts';

const rules = { delivery: 'effectively-once', triesMax: 5, retryDelayMs: 0, keepMs: Number.POSITIVE_INFINITY } as const;
const header = { state: 'queued', priority: 0, serial: 1, delayMs: 0 } as const;
const task: Fact = { of: 'task', id: 't', found: { header, version: 0, czxid: 1n, mzxid: 1n, mtimeMs: 0 } };
const first = { of: 'assignment', worker: 'w', id: 't', life: 1n } as const;
const end = (endedZxid: bigint): Fact => ({ ...first, found: null, endedZxid });

/** One that has given its only task to its only worker, in transaction 10. */
function assigned(): Planner {
  const planner = new Planner(rules);
  planner.learn({ of: 'worker', worker: 'w', found: { capacity: 1, data: {}, version: 3 } });
  planner.learn(task);
  const steps = planner.plan(0);
  expect(steps).toMatchObject([{ kind: 'assign', id: 't', life: 1n, worker: 'w', workerVersion: 3, attempt: 1 }]);
  planner.settle(steps[0]!, 10n);
  expect(planner.plan(0)).toEqual([]);
  return planner;
}

test('the end of an earlier try is not that of the present one', () => {
  const planner = assigned();
  planner.learn(end(9n));
  planner.learn(task);
  expect(planner.plan(0)).toEqual([]);
  expect(planner.status).toMatchObject({ waiting: 0, running: 1 });
});

test('the end of the present one is', () => {
  const planner = assigned();
  planner.learn(end(11n));
  planner.learn(task);
  expect(planner.plan(0)).toMatchObject([{ kind: 'assign', replaces: null }]);
});

test('a task that is made again under its id is not ended by the news of the earlier one', () => {
  const planner = new Planner(rules);
  planner.learn(task);
  planner.learn({ of: 'task', id: 't', found: null, endedZxid: 1n });
  planner.plan(0);
  expect(planner.status).toMatchObject({ waiting: 1 });
  planner.learn({ of: 'task', id: 't', found: null, endedZxid: 2n });
  planner.plan(0);
  expect(planner.status).toMatchObject({ waiting: 0 });
});

test('one that stays with its worker is the node it was', () => {
  const planner = assigned();
  const record = { state: 'failed', attempt: 1 } as const;
  planner.learn({ ...first, found: { record, version: 1, czxid: 10n, mtimeMs: 0 } });
  const steps = planner.plan(0);
  expect(steps).toMatchObject([{ kind: 'assign', attempt: 2, replaces: { worker: 'w', version: 1 } }]);
  planner.settle(steps[0]!, 20n);
  planner.learn(end(9n));
  expect(planner.plan(0)).toEqual([]);
  planner.learn(end(21n));
  planner.learn(task);
  expect(planner.plan(0)).toMatchObject([{ kind: 'assign', replaces: null }]);
});

test('the try of a life that is over is removed, and the next one begins anew', () => {
  const planner = assigned();
  planner.learn({ of: 'task', id: 't', found: { header, version: 0, czxid: 20n, mzxid: 20n, mtimeMs: 0 } });
  const steps = planner.plan(0);
  expect(steps).toEqual([{ kind: 'drop', id: 't', replaces: { worker: 'w', life: 1n, version: 0 } }]);
  planner.settle(steps[0]!, 30n);
  expect(planner.plan(0)).toMatchObject([{ kind: 'assign', life: 20n, attempt: 1, replaces: null }]);
});

test('the end of a try of another life is not that of the present one', () => {
  const planner = assigned();
  planner.learn({ ...first, life: 7n, found: null });
  planner.learn(task);
  expect(planner.plan(0)).toEqual([]);
});

test('what is over is kept for a while by the clock of who leads, whatever keepMs and the servers say', () => {
  const planner = new Planner({ ...rules, keepMs: 0 });
  const done = { state: 'done', worker: 'w', attempt: 1 } as const;
  const found = { header: done, version: 1, czxid: 1n, mzxid: 2n, mtimeMs: 0 };
  const minMs = 120_000;
  planner.learn({ of: 'task', id: 't', found });
  expect(planner.plan(1_000_000)).toEqual([]);
  expect(planner.dueMs).toBe(1_000_000 + minMs);
  planner.learn({ of: 'task', id: 't', found });
  expect(planner.plan(1_000_000 + minMs - 1)).toEqual([]);
  planner.learn({ of: 'task', id: 't', found: { ...found, czxid: 3n, mzxid: 4n } });
  expect(planner.plan(1_000_000 + minMs)).toEqual([]); // another one by that name
  expect(planner.plan(1_000_000 + 2 * minMs)).toEqual([{ kind: 'expire', id: 't', version: 1 }]);
});
