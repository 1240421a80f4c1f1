/** Ids that are used again: what comes of one life of a task is nothing to the next one. */
import { type Client, OPEN_ACL, Perms } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Delivery, Submitter, type TaskHandle, TaskQueue } from '../../src/master-worker/index.ts';
import { Gate } from '../gate.ts';
import { aborted, expectTidy, Steered, startMaster, startWorker, until } from './helpers.ts';

const deliveries: readonly Delivery[] = ['at-least-once', 'at-most-once', 'effectively-once'];
const LATER_MS = 10 * 3_600_000;

let server: TestServer;
let observer: Client;

beforeAll(async () => {
  server = await startServer();
  observer = await server.client();
});

afterAll(() => server[Symbol.asyncDispose]());

const lasting = (): Promise<Client> => server.client({ onExpired: 'new-session' });

async function endOf(task: TaskHandle<string, string>): Promise<void> {
  expect([await task.cancel(), await task.forget()]).toEqual([true, true]);
}

test.each(deliveries)('%s: a handler of a task that was forgotten does not finish its successor', async (delivery) => {
  const queue = new TaskQueue<string, string>({ path: `/successor-${delivery}`, delivery });
  const workers = await lasting();
  const steered = new Steered<string, string>();
  const master = startMaster(observer, queue);
  const working = startWorker(workers, queue, steered.handler, { concurrency: 2 });
  const submitter = new Submitter(observer, queue);
  const [first] = await Promise.all([submitter.submit('A', { id: 'x' }), steered.begun(1)]);
  await endOf(first);
  const second = await submitter.submit('B', { id: 'x' });
  expect(second.isNew).toBe(true);
  const attempts = await steered.begun(2);
  expect([attempts[0]!.signal.aborted, attempts[1]!.payload, attempts[1]!.attempt]).toEqual([true, 'B', 1]);
  if (delivery === 'effectively-once') {
    attempts[0]!.transaction.create(`/successor-${delivery}/effect`, 'of A');
  }
  steered.finish(0, 'of A');
  await workers.sync('/');
  steered.finish(1, 'of B');
  expect(await second.result()).toBe('of B');
  expect(await observer.exists(`/successor-${delivery}/effect`)).toBe(null);
  await working.stop();
  await expectTidy(observer, queue);
  await master.stop();
  await workers.close();
});

test.each(deliveries)('%s: nor if no master leads meanwhile', async (delivery) => {
  const queue = new TaskQueue<string, string>({ path: `/unled-${delivery}`, delivery });
  const workers = await lasting();
  const steered = new Steered<string, string>();
  const first = startMaster(observer, queue);
  const working = startWorker(workers, queue, steered.handler, { concurrency: 2 });
  const submitter = new Submitter(observer, queue);
  const [task] = await Promise.all([submitter.submit('A', { id: 'x~y' }), steered.begun(1)]);
  await first.stop();
  await endOf(task);
  const [worker] = await observer.children(`/unled-${delivery}/assigned`);
  expect(await observer.children(`/unled-${delivery}/assigned/${worker}`)).toEqual([]);
  const next = await submitter.submit('B', { id: 'x~y' });
  await aborted(steered.attempts[0]!.signal);
  steered.finish(0, 'of A');
  await workers.sync('/');
  expect((await next.status()).state).toBe('queued');
  const second = startMaster(observer, queue);
  const attempts = await steered.begun(2);
  expect(attempts[1]!.payload).toBe('B');
  steered.finish(1, 'of B');
  expect(await next.result()).toBe('of B');
  await working.stop();
  await expectTidy(observer, queue);
  await second.stop();
  await workers.close();
});

test.each(['forgotten', 'expired'])('a late result is none of the task that came after it was %s', async (how) => {
  const queue = new TaskQueue<string, string>({ path: `/late-${how}`, delivery: 'at-least-once' });
  const [workers, m] = [await lasting(), await lasting()];
  const steered = new Steered<string, string>();
  const now = { ms: Date.now() };
  let wake = (): void => undefined;
  const after = (_delayMs: number, call: () => void) => {
    wake = call;
    return { cancel: () => undefined };
  };
  const master = startMaster(m, queue, { clock: { now: () => now.ms, after } });
  const working = startWorker(workers, queue, steered.handler, { concurrency: 3 });
  const submitter = new Submitter(observer, queue);
  const task = await submitter.submit('A', { id: 'x' });
  await steered.begun(1);
  await server.expireSession(workers.sessionId);
  await steered.begun(2); // in its new session
  steered.finish(1, 'of A');
  expect(await task.result()).toBe('of A');
  if (how === 'forgotten') {
    await task.forget();
  } else {
    await until(async () => {
      now.ms += LATER_MS; // again: it is kept for a while from when the master has seen it
      wake();
      return (await task.status()).state === 'gone';
    });
  }
  const next = await submitter.submit('B', { id: 'x' });
  await steered.begun(3);
  steered.finish(0, 'of A, late');
  await workers.sync('/');
  steered.finish(2, 'of B');
  expect(await next.result()).toBe('of B');
  await working.stop();
  await expectTidy(observer, queue);
  await master.stop();
  await Promise.all([workers, m].map((client) => client.close()));
});

test('what is forgotten is what was over: not what somebody has retried meanwhile', async () => {
  const queue = new TaskQueue<string, string>({ path: '/retried' });
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  const task = await new Submitter(observer, queue).submit('A', { id: 'x' });
  await task.cancel();
  const mine = await new Submitter(client, queue).task('x');
  gate.fill();
  const forgetting = mine.forget();
  await gate.refusals(1);
  expect(await task.retry()).toBe(true);
  gate.empty();
  expect(await forgetting).toBe(false);
  expect((await task.status()).state).toBe('queued');
  await client.close();
});

test('forgetting whose answer is lost does not remove what was submitted since', async () => {
  const queue = new TaskQueue<string, string>({ path: '/resubmitted' });
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  const submitter = new Submitter(observer, queue);
  const task = await submitter.submit('A', { id: 'x' });
  await task.cancel();
  const mine = await new Submitter(client, queue).task('x');
  expect((await mine.status()).state).toBe('cancelled');
  gate.onRequest = (opcode) => {
    if (opcode === 14 || opcode === 2) {
      gate.hold(); // multi, delete
    }
  };
  const forgetting = mine.forget();
  await until(async () => (await task.status()).state === 'gone');
  gate.onRequest = () => undefined;
  const next = await submitter.submit('B', { id: 'x' });
  expect([next.isNew, await next.cancel()]).toEqual([true, true]);
  gate.cut();
  expect(await forgetting).toBe(true);
  expect((await next.status()).state).toBe('cancelled');
  await client.close();
});

test('taking back what is forgotten at the same time says that it is gone', async () => {
  const queue = new TaskQueue<string, string>({ path: '/vanished' });
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  const task = await new Submitter(observer, queue).submit('A', { id: 'x' });
  const mine = await new Submitter(client, queue).task('x');
  gate.hold();
  const asked = new Promise<void>((resolve) => {
    gate.onRequest = () => resolve();
  });
  const cancelling = mine.cancel();
  await asked;
  await endOf(task);
  gate.release();
  await expect(cancelling).rejects.toMatchObject({ code: 'TASK_GONE' });
  await client.close();
});

test('forgetting that is refused rejects', async () => {
  const queue = new TaskQueue<string, string>({ path: '/kept-by-acl', shards: 1 });
  const task = await new Submitter(observer, queue).submit('A', { id: 'x' });
  await task.cancel();
  await observer.setAcl('/kept-by-acl/tasks/000', [{ perms: Perms.all & ~Perms.delete, id: OPEN_ACL[0]!.id }]);
  await expect(task.forget()).rejects.toMatchObject({ code: 'NO_AUTH' });
  expect((await task.status()).state).toBe('cancelled');
});
