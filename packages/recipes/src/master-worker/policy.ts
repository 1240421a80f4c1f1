/** Who gets a task. */

/** A task that waits for a worker, as policies see it. */
export interface WaitingTask {
  readonly id: string;
  readonly priority: number;
  /** 1 for the first try. */
  readonly attempt: number;
}

/** A worker with room, as policies see it. */
export interface FreeWorker {
  readonly id: string;
  /** How many assignments it takes at a time. */
  readonly capacity: number;
  /** How many it has; less than `capacity`. */
  readonly load: number;
  /** What it tells about itself. */
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * Chooses the worker for a task: one of those given, or null: none of them, the task waits on. Asked again after each
 * change, so it must be quick, and answer the same to the same.
 *
 * @example
 * ```ts
 * const onGpuOnly: Policy = (task, workers) =>
 *   leastLoaded(task, workers.filter(({ data }) => data['gpu'] === true));
 * console.assert(onGpuOnly({ id: 'a', priority: 0, attempt: 1 }, []) === null);
 * ```
 */
export type Policy = (task: WaitingTask, workers: readonly FreeWorker[]) => FreeWorker | null;

/**
 * The default: whoever has the most room left for its size; among equals the first by id.
 *
 * @example
 * ```ts
 * const busy: FreeWorker = { id: 'a', capacity: 10, load: 5, data: {} };
 * const idle: FreeWorker = { id: 'b', capacity: 2, load: 0, data: {} };
 * console.assert(leastLoaded({ id: 'task', priority: 0, attempt: 1 }, [busy, idle]) === idle);
 * ```
 */
export const leastLoaded: Policy = (_task, workers) => {
  let best: FreeWorker | null = null;
  for (const worker of workers) {
    if (best === null || isBefore(worker, best)) {
      best = worker;
    }
  }
  return best;
};

function isBefore(a: FreeWorker, b: FreeWorker): boolean {
  const difference = a.load * b.capacity - b.load * a.capacity;
  return difference < 0 || (difference === 0 && a.id < b.id);
}
