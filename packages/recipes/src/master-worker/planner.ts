/**
 * What a leading master knows and decides: facts of the tree go in, steps come out. It knows no time, no chance and no
 * connection, so a test can lead it through any number of lives.
 *
 * A fact says what a node is at some moment; the newest fact of a node counts. What was decided is no fact before
 * `settle` says that it was done. Whatever is decided on an outdated fact is refused by the servers, since each step
 * carries the versions it is based on; then the fact is learned anew.
 */
import { Heap } from '../heap.ts';
import type { AssignmentFact, AssignmentNews, Fact, Subject, TaskFact, TaskNews, WorkerFact } from './facts.ts';
import { type FreeWorker, leastLoaded, type Policy } from './policy.ts';
import { type AnyQueue, REPEAT_MS_MAX } from './queue.ts';
import type { AssignmentRecord, ParkedHeader } from './records.ts';
import type { AssignStep, Replaced, Step } from './steps.ts';

/** What the planner has of a task. `stamp` changes whenever its places in queues become void. */
interface Task {
  readonly id: string;
  fact: TaskFact | null;
  assignment: (AssignmentFact & { readonly worker: string; readonly life: bigint }) | null;
  stamp: number;
  /** When this master first saw it so: over, since the change of this zxid. */
  over: { readonly mzxid: bigint; readonly seenMs: number } | null;
}

interface Place {
  readonly task: Task;
  readonly stamp: number;
}

/** A place in the queue of those that wait for a worker. */
interface ReadyPlace extends Place {
  readonly fact: TaskFact;
  readonly priority: number;
  readonly czxid: bigint;
  readonly serial: number;
  readonly attempt: number;
}

interface DuePlace extends Place {
  readonly dueMs: number;
}

interface WorkerState {
  readonly id: string;
  /** Null: it is not there. */
  fact: WorkerFact | null;
  /** Whether its folder of assignments exists. */
  hasFolder: boolean;
  readonly tasks: Set<Task>;
  /** How many of its assignments are still to be done by it. */
  load: number;
}

/** How a queue stands, as far as the leading master knows. */
export interface QueueStatus {
  /** Waiting for a worker. */
  readonly waiting: number;
  /** Waiting for their time. */
  readonly delayed: number;
  /** Assigned and not finished. */
  readonly running: number;
  /** Done, parked or cancelled, and still kept. */
  readonly over: number;
  readonly workers: readonly FreeWorker[];
}

type Rules = Pick<AnyQueue, 'delivery' | 'triesMax' | 'retryDelayMs' | 'keepMs'>;

/** Doubling ends here, so that a delay stays a number of milliseconds. */
const DOUBLINGS_MAX = 20;

/**
 * By the master's clock alone, whatever the servers' say. Longer than a submission is repeated whose answer was lost:
 * it has to find the task, or it would make it again.
 */
const KEEP_MS_MIN = 2 * REPEAT_MS_MAX;

export class Planner {
  readonly #rules: Rules;
  readonly #policy: Policy;
  readonly #tasks = new Map<string, Task>();
  readonly #workers = new Map<string, WorkerState>();
  #touched = new Set<Task>();
  #touchedWorkers = new Set<WorkerState>();
  readonly #ready = new Heap<ReadyPlace>(isBefore);
  readonly #due = new Heap<DuePlace>((a, b) => a.dueMs < b.dueMs);

  constructor(rules: Rules, policy: Policy = leastLoaded) {
    this.#rules = rules;
    this.#policy = policy;
  }

  /** Takes in what a node is. */
  learn(fact: Fact): void {
    switch (fact.of) {
      case 'task':
        return this.#learnTask(fact);
      case 'assignment':
        return this.#learnAssignment(fact);
      case 'worker':
        return this.#learnWorker(fact.worker, fact.found);
      case 'folder': {
        const worker = this.#worker(fact.worker);
        worker.hasFolder = fact.found;
        this.#touchedWorkers.add(worker);
      }
    }
  }

  /** What is to be done now. Afterwards `settle` is to be called for each step. */
  plan(nowMs: number): Step[] {
    const steps: Step[] = [];
    this.#wakeDue(nowMs);
    const touched = this.#touched;
    this.#touched = new Set();
    for (const task of touched) {
      this.#review(task, nowMs, steps);
    }
    this.#assign(steps);
    this.#sweep(steps);
    return steps;
  }

  /**
   * A step was done, by the transaction of this zxid, or refused (null): then what it is about must be learned again
   * before the next plan.
   */
  settle(step: Step, doneZxid: bigint | null): void {
    if (doneZxid !== null) {
      this.#done(step, doneZxid);
    } else if (step.kind === 'sweep') {
      this.#touchedWorkers.add(this.#worker(step.worker));
    } else {
      this.#touched.add(this.#task(step.id));
    }
  }

  /** When the next plan is due though nothing happens; null: not at all. */
  get dueMs(): number | null {
    this.#dropVoid();
    return this.#due.peek()?.dueMs ?? null;
  }

  /** All nodes of which there are facts, to be looked at after a gap in what is told. */
  *known(): Iterable<Subject> {
    for (const { id, fact, assignment } of this.#tasks.values()) {
      if (fact !== null) {
        yield { of: 'task', worker: '', id };
      }
      if (assignment !== null) {
        yield { of: 'assignment', worker: assignment.worker, id, life: assignment.life };
      }
    }
    for (const { id } of this.#workers.values()) {
      yield { of: 'worker', worker: id, id: '' };
    }
  }

  get status(): QueueStatus {
    const counts = { waiting: 0, delayed: 0, running: 0, over: 0 };
    for (const task of this.#tasks.values()) {
      if (task.fact?.header.state !== 'queued') {
        counts.over += task.fact === null ? 0 : 1;
      } else if (this.#isRunning(task)) {
        counts.running += 1;
      } else {
        counts.waiting += 1;
      }
    }
    const delayed = this.#countDelayed();
    const present = [...this.#workers.values()].filter(({ fact }) => fact !== null);
    return { ...counts, waiting: counts.waiting - delayed, delayed, workers: present.map(viewOf) };
  }

  #learnTask({ id, found, endedZxid }: TaskNews): void {
    const task = this.#task(id);
    if (found !== null || isEndOf(task.fact, endedZxid)) {
      task.fact = found;
    }
    this.#touched.add(task);
  }

  #learnAssignment({ worker, id, life, found, endedZxid }: AssignmentNews): void {
    const task = this.#task(id);
    const known = task.assignment;
    if (found !== null) {
      this.#setAssignment(task, { ...found, worker, life });
    } else if (known?.worker === worker && known.life === life && isEndOf(known, endedZxid)) {
      this.#setAssignment(task, null);
    }
    this.#touched.add(task);
  }

  #learnWorker(id: string, found: WorkerFact | null): void {
    const isNew = !this.#workers.has(id);
    const worker = this.#worker(id);
    worker.fact = found;
    worker.hasFolder ||= isNew || found !== null; // one that came and went unseen has left its folder, too
    this.#touchedWorkers.add(worker);
    if (found === null) {
      for (const task of worker.tasks) {
        this.#touched.add(task);
      }
    }
  }

  #setAssignment(task: Task, assignment: Task['assignment']): void {
    const before = task.assignment;
    if (before !== null) {
      const worker = this.#worker(before.worker);
      worker.tasks.delete(task);
      worker.load -= isOpen(before.record) ? 1 : 0;
      this.#touchedWorkers.add(worker);
    }
    task.assignment = assignment;
    if (assignment !== null) {
      const worker = this.#worker(assignment.worker);
      worker.tasks.add(task);
      worker.load += isOpen(assignment.record) ? 1 : 0;
      worker.hasFolder = true;
    }
  }

  #task(id: string): Task {
    let task = this.#tasks.get(id);
    if (task === undefined) {
      task = { id, fact: null, assignment: null, stamp: 0, over: null };
      this.#tasks.set(id, task);
    }
    return task;
  }

  #worker(id: string): WorkerState {
    let worker = this.#workers.get(id);
    if (worker === undefined) {
      worker = { id, fact: null, hasFolder: false, tasks: new Set(), load: 0 };
      this.#workers.set(id, worker);
    }
    return worker;
  }

  /** A task in the hands of a worker that is there: nothing to do but wait. */
  #isRunning({ assignment }: Task): boolean {
    return assignment !== null && isOpen(assignment.record) && this.#workers.get(assignment.worker)?.fact != null;
  }

  /** Decides about a task from nothing but its present facts. */
  #review(task: Task, nowMs: number, steps: Step[]): void {
    task.stamp += 1; // whatever it stood in the queues for is decided anew
    const { fact, assignment } = task;
    if (fact === null || fact.header.state !== 'queued') {
      if (assignment !== null) {
        steps.push({ kind: 'drop', id: task.id, replaces: replacedBy(assignment) });
      } else if (fact === null) {
        this.#tasks.delete(task.id);
      } else if (fact.header.state !== 'parked' && this.#rules.keepMs !== Number.POSITIVE_INFINITY) {
        this.#expire(task, fact, nowMs, steps);
      }
      return;
    }
    if (assignment === null) {
      // Servers' and masters' clocks differ: where there is no delay, neither is asked.
      const { delayMs } = fact.header;
      return this.#enqueue(task, fact, 1, delayMs === 0 ? 0 : fact.mtimeMs + delayMs, nowMs);
    }
    if (assignment.life !== fact.mzxid) {
      // Of a life that is over, whatever has become of it; those of this one begin anew.
      steps.push({ kind: 'drop', id: task.id, replaces: replacedBy(assignment) });
      return;
    }
    if (this.#isRunning(task)) {
      return;
    }
    const { record } = assignment;
    if (record.state === 'returned') {
      return this.#enqueue(task, fact, record.attempt, 0, nowMs);
    }
    const reason = this.#reasonToPark(record);
    if (reason !== null) {
      const { priority, serial } = fact.header;
      const error = record.error ?? (isOpen(record) ? `worker ${assignment.worker} has gone` : 'its error was refused');
      const header: ParkedHeader = { state: 'parked', reason, error, attempts: record.attempt, priority, serial };
      steps.push({ kind: 'park', id: task.id, version: fact.version, header, replaces: replacedBy(assignment) });
      return;
    }
    const doublings = Math.min(record.attempt - 1, DOUBLINGS_MAX);
    const pauseMs = record.state === 'failed' ? this.#rules.retryDelayMs * 2 ** doublings : 0;
    this.#enqueue(task, fact, record.attempt + 1, pauseMs === 0 ? 0 : assignment.mtimeMs + pauseMs, nowMs);
  }

  #reasonToPark({ state, attempt }: AssignmentRecord): ParkedHeader['reason'] | null {
    if (state === 'rejected') {
      return 'rejected';
    }
    if (this.#rules.delivery === 'at-most-once' && state !== 'assigned') {
      return state === 'started' ? 'lost' : 'failed';
    }
    return attempt >= this.#rules.triesMax ? 'failed' : null;
  }

  #enqueue(task: Task, fact: TaskFact, attempt: number, dueMs: number, nowMs: number): void {
    const { stamp } = task;
    if (dueMs > nowMs) {
      this.#due.push({ task, stamp, dueMs });
    } else if (fact.header.state === 'queued') {
      const { priority, serial } = fact.header;
      this.#ready.push({ task, fact, stamp, priority, serial, czxid: fact.czxid, attempt });
    }
  }

  #expire(task: Task, fact: TaskFact, nowMs: number, steps: Step[]): void {
    if (task.over?.mzxid !== fact.mzxid) {
      task.over = { mzxid: fact.mzxid, seenMs: nowMs };
    }
    const dueMs = Math.max(fact.mtimeMs + this.#rules.keepMs, task.over.seenMs + KEEP_MS_MIN);
    if (dueMs > nowMs) {
      this.#due.push({ task, stamp: task.stamp, dueMs });
    } else {
      steps.push({ kind: 'expire', id: task.id, version: fact.version });
    }
  }

  #wakeDue(nowMs: number): void {
    for (let place = this.#due.peek(); place !== undefined && place.dueMs <= nowMs; place = this.#due.peek()) {
      this.#due.pop();
      if (place.stamp === place.task.stamp) {
        this.#touched.add(place.task);
      }
    }
  }

  #dropVoid(): void {
    for (let place = this.#due.peek(); place !== undefined && place.stamp !== place.task.stamp; ) {
      this.#due.pop();
      place = this.#due.peek();
    }
  }

  #countDelayed(): number {
    let count = 0;
    for (const { task, stamp } of this.#due) {
      count += stamp === task.stamp && task.fact?.header.state === 'queued' ? 1 : 0;
    }
    return count;
  }

  /** Gives out what waits, best first, while somebody has room. */
  #assign(steps: Step[]): void {
    const free = [...this.#workers.values()].filter(hasRoom).map(viewOf);
    const refused: ReadyPlace[] = [];
    while (free.length > 0) {
      const place = this.#ready.pop();
      if (place === undefined) {
        break;
      }
      const { task, fact, stamp, priority, attempt } = place;
      if (stamp !== task.stamp) {
        continue;
      }
      const chosen = this.#policy({ id: task.id, priority, attempt }, free);
      const at = chosen === null ? -1 : free.findIndex(({ id }) => id === chosen.id);
      const view = free[at];
      if (view === undefined) {
        refused.push(place);
        continue;
      }
      const replaces = task.assignment === null ? null : replacedBy(task.assignment);
      const { version, mzxid: life } = fact;
      const { version: workerVersion } = this.#worker(view.id).fact as WorkerFact; // who has room is there
      steps.push({ kind: 'assign', id: task.id, life, version, worker: view.id, workerVersion, attempt, replaces });
      if (view.load + 1 < view.capacity) {
        free[at] = { ...view, load: view.load + 1 };
      } else {
        free.splice(at, 1);
      }
    }
    for (const place of refused) {
      this.#ready.push(place);
    }
  }

  #sweep(steps: Step[]): void {
    const touched = this.#touchedWorkers;
    this.#touchedWorkers = new Set();
    for (const worker of touched) {
      if (worker.fact !== null || worker.tasks.size > 0) {
        continue;
      }
      if (worker.hasFolder) {
        steps.push({ kind: 'sweep', worker: worker.id });
      } else {
        this.#workers.delete(worker.id);
      }
    }
  }

  #done(step: Step, zxid: bigint): void {
    if (step.kind === 'sweep') {
      return this.learn({ of: 'folder', worker: step.worker, found: false });
    }
    const task = this.#task(step.id);
    this.#touched.add(task);
    if (step.kind === 'assign') {
      this.#setAssignment(task, newAssignment(step, task.assignment, zxid));
    } else if (step.kind === 'expire') {
      task.fact = null;
    } else {
      this.#setAssignment(task, null);
      if (step.kind === 'park' && task.fact !== null) {
        task.fact = { ...task.fact, header: step.header, version: step.version + 1 };
      }
    }
  }
}

function isBefore(a: ReadyPlace, b: ReadyPlace): boolean {
  if (a.priority !== b.priority) {
    return a.priority > b.priority;
  }
  return a.czxid !== b.czxid ? a.czxid < b.czxid : a.serial < b.serial;
}

/** Whether there was none to be seen (undefined), or the end that was told is that of what is known. */
function isEndOf(known: { readonly czxid: bigint } | null, endedZxid: bigint | undefined): boolean {
  return endedZxid === undefined || (known !== null && known.czxid < endedZxid);
}

/** Whether the worker has still to do something about it. */
function isOpen({ state }: AssignmentRecord): boolean {
  return state === 'assigned' || state === 'started';
}

function hasRoom({ fact, load }: WorkerState): boolean {
  return fact !== null && load < fact.capacity;
}

function viewOf({ id, fact, load }: WorkerState): FreeWorker {
  return { id, capacity: fact?.capacity ?? 0, load, data: fact?.data ?? {} };
}

function replacedBy({ worker, life, version }: NonNullable<Task['assignment']>): Replaced {
  return { worker, life, version };
}

/** As `create` has made it, or `set` where the task stays with its worker. */
function newAssignment(
  { worker, life, attempt, replaces }: AssignStep,
  before: Task['assignment'],
  zxid: bigint,
): NonNullable<Task['assignment']> {
  const isSameNode = replaces?.worker === worker;
  const version = isSameNode ? replaces.version + 1 : 0;
  const czxid = isSameNode && before !== null ? before.czxid : zxid;
  return { worker, life, version, czxid, mtimeMs: 0, record: { state: 'assigned', attempt } };
}
