/** What a master does, one step at a time, and the operations that a step is. */
import type { Layout } from './queue.ts';
import { encodeRecord, type ParkedHeader } from './records.ts';

/** An assignment that a step puts an end to; with another version than this the step is refused. */
export interface Replaced {
  readonly worker: string;
  readonly life: bigint;
  readonly version: number;
}

/** Gives a task to a worker; `replaces`: what is left of the try before, in the same life. */
export interface AssignStep {
  readonly kind: 'assign';
  readonly id: string;
  readonly life: bigint;
  /** Of the task's node. */
  readonly version: number;
  readonly worker: string;
  /** Of the worker's node: with another it has another capacity, or is leaving. */
  readonly workerVersion: number;
  readonly attempt: number;
  readonly replaces: Replaced | null;
}

/** Gives a task up. */
export interface ParkStep {
  readonly kind: 'park';
  readonly id: string;
  /** Of the task's node. */
  readonly version: number;
  readonly header: ParkedHeader;
  readonly replaces: Replaced;
}

/** Removes the assignment of a task that is over. */
export interface DropStep {
  readonly kind: 'drop';
  readonly id: string;
  readonly replaces: Replaced;
}

/** Removes a task that has been kept long enough. */
export interface ExpireStep {
  readonly kind: 'expire';
  readonly id: string;
  readonly version: number;
}

/** Removes the folder of a worker that is gone and has no assignments left. */
export interface SweepStep {
  readonly kind: 'sweep';
  readonly worker: string;
}

export type Step = AssignStep | ParkStep | DropStep | ExpireStep | SweepStep;

/** One operation of a transaction. */
export type Operation =
  | { readonly op: 'check'; readonly path: string; readonly version: number }
  | { readonly op: 'create'; readonly path: string; readonly data: Uint8Array | null }
  | { readonly op: 'set'; readonly path: string; readonly data: Uint8Array; readonly version: number }
  | { readonly op: 'delete'; readonly path: string; readonly version: number };

/** The operations of a step: all are refused together or done together. `parked`: the task to be, of one that parks. */
export function operationsOf(step: Step, layout: Layout, parked?: Uint8Array): Operation[] {
  switch (step.kind) {
    case 'assign':
      return assignment(step, layout);
    case 'park':
      return [removal(step.id, step.replaces, layout), parking(step, layout, parked)];
    case 'drop':
      return [removal(step.id, step.replaces, layout)];
    case 'expire':
      return [{ op: 'delete', path: layout.task(step.id), version: step.version }];
    case 'sweep':
      return [{ op: 'delete', path: layout.folder(step.worker), version: -1 }];
  }
}

function parking({ id, version }: ParkStep, layout: Layout, data: Uint8Array | undefined): Operation {
  if (data === undefined) {
    throw new Error(`task ${id} cannot be parked without what its node is to hold`);
  }
  return { op: 'set', path: layout.task(id), data, version };
}

/**
 * A try moves within its life only: once that is over its tries stay where they are until they are removed, so whoever
 * looks for them (`triesOf`) finds them. A first try of a life that is over comes to nothing: no worker begins it.
 */
function assignment(step: AssignStep, layout: Layout): Operation[] {
  const { id, worker, attempt, replaces } = step;
  const path = layout.assignment(worker, step);
  const data = encodeRecord({ state: 'assigned', attempt });
  const isThere: Operation = { op: 'check', path: layout.worker(worker), version: step.workerVersion };
  if (replaces === null) {
    return [isThere, { op: 'create', path, data }];
  }
  const checks = [isThere, { op: 'check', path: layout.task(id), version: step.version }] as const;
  if (replaces.worker === worker) {
    return [...checks, { op: 'set', path, data, version: replaces.version }];
  }
  return [...checks, removal(id, replaces, layout), { op: 'create', path, data }];
}

function removal(id: string, { worker, life, version }: Replaced, layout: Layout): Operation {
  return { op: 'delete', path: layout.assignment(worker, { id, life }), version };
}

/** Several steps in one transaction. `owners` says for each operation whose it is; a check may be that of many. */
export interface Batch {
  readonly operations: readonly Operation[];
  readonly owners: readonly (readonly Step[])[];
  readonly steps: readonly Step[];
}

/** Puts steps together until a transaction has about so many operations. `parked`: what operationsOf asks for. */
export function batchesOf(
  steps: readonly Step[],
  layout: Layout,
  operationsMax: number,
  parked: ReadonlyMap<Step, Uint8Array>,
): Batch[] {
  const batches: Batch[] = [];
  let operations: Operation[] = [];
  let owners: Step[][] = [];
  let members: Step[] = [];
  let checks = new Map<string, Step[]>();
  const close = (): void => {
    if (members.length > 0) {
      batches.push({ operations, owners, steps: members });
      [operations, owners, members, checks] = [[], [], [], new Map()];
    }
  };
  for (const step of steps) {
    for (const operation of operationsOf(step, layout, parked.get(step))) {
      const sharing = operation.op === 'check' ? checks.get(operation.path) : undefined;
      if (sharing !== undefined) {
        sharing.push(step);
        continue;
      }
      const own = [step];
      operations.push(operation);
      owners.push(own);
      if (operation.op === 'check') {
        checks.set(operation.path, own);
      }
    }
    members.push(step);
    if (operations.length >= operationsMax) {
      close();
    }
  }
  close();
  return batches;
}
