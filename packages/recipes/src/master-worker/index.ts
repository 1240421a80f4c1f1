/** @treekeeper/recipes/master-worker: what programs import. */
export { type Attempt, type Effects, type Handler, TaskRejected } from './attempt.ts';
export { Master, type MasterOptions, type RunOptions } from './master.ts';
export type { QueueStatus } from './planner.ts';
export { type FreeWorker, leastLoaded, type Policy, type WaitingTask } from './policy.ts';
export { type Delivery, TaskQueue, type TaskQueueOptions } from './queue.ts';
export { type ParkedTask, type SubmitOptions, Submitter } from './submitter.ts';
export { type AwaitOptions, TaskHandle, type TaskStatus } from './task-handle.ts';
export { Worker, type WorkerOptions } from './worker.ts';
