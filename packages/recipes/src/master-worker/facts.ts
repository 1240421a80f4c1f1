/** What a master knows of nodes. */
import type { AssignmentRecord, TaskHeader, WorkerRecord } from './records.ts';

/** What a look at a node found; null: there is none. */
export type Fact =
  | TaskNews
  | AssignmentNews
  | { readonly of: 'worker'; readonly worker: string; readonly found: WorkerFact | null }
  | { readonly of: 'folder'; readonly worker: string; readonly found: boolean };

/** Which node a fact is about. `worker` is '' for tasks, `id` for workers and folders. */
export type Subject =
  | { readonly of: 'task' | 'worker' | 'folder'; readonly worker: string; readonly id: string }
  | { readonly of: 'assignment'; readonly worker: string; readonly id: string; readonly life: bigint };

/** `endedZxid`: it was told, and not looked at, that there is none since then. One that was made later is there. */
export interface TaskNews {
  readonly of: 'task';
  readonly id: string;
  readonly found: TaskFact | null;
  readonly endedZxid?: bigint | undefined;
}

export interface AssignmentNews {
  readonly of: 'assignment';
  readonly worker: string;
  readonly id: string;
  readonly life: bigint;
  readonly found: AssignmentFact | null;
  readonly endedZxid?: bigint | undefined;
}

export interface TaskFact {
  readonly header: TaskHeader;
  readonly version: number;
  readonly czxid: bigint;
  /** While it is queued, the name of its life. */
  readonly mzxid: bigint;
  readonly mtimeMs: number;
}

export interface AssignmentFact {
  readonly record: AssignmentRecord;
  readonly version: number;
  readonly czxid: bigint;
  readonly mtimeMs: number;
}

export interface WorkerFact extends WorkerRecord {
  readonly version: number;
}
