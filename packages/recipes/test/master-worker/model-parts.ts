/** Masters and workers over the model tree, each a list of small steps between which anything may happen. */
import { type Fact, Planner } from '../../src/master-worker/planner.ts';
import type { Layout, TaskQueue } from '../../src/master-worker/queue.ts';
import {
  type AssignmentRecord,
  decodeAssignment,
  decodeTask,
  decodeWorker,
  encodeRecord,
  encodeTask,
} from '../../src/master-worker/records.ts';
import { type Batch, batchesOf, type Operation, type Step } from '../../src/master-worker/steps.ts';
import type { Target } from '../../src/master-worker/tree-view.ts';
import type { Change, ModelTree } from './model-tree.ts';

export interface World {
  readonly tree: ModelTree;
  readonly queue: TaskQueue<never, never>;
  readonly layout: Layout;
  random(below: number): number;
  /** Told of each run of a task: what a handler does outside of the tree. */
  onRun(id: string): void;
}

/** One term of a master: from its seat on. */
export class ModelMaster {
  readonly #world: World;
  readonly #planner: Planner;
  readonly #seat: string;
  readonly session: number;
  readonly #events: Change[] = [];
  readonly #targets = new Map<string, Target>();
  /** Servers before 3.9 do not say when something has happened. */
  readonly #hearsZxids: boolean;
  #hasGap = true;
  #planned: Step[] = [];
  #batches: Batch[] = [];
  readonly #listen = (change: Change): void => void this.#events.push(change);
  /** It has been told that it does not lead. */
  isOver = false;
  refusals = 0;

  constructor(world: World, number: number) {
    this.#world = world;
    this.#planner = new Planner(world.queue);
    this.session = world.tree.openSession();
    this.#hearsZxids = world.random(3) > 0;
    this.#seat = `${world.layout.masters}/seat-${String(number).padStart(6, '0')}`;
    world.tree.commit(this.session, [{ op: 'create', path: this.#seat, data: null, ephemeral: true } as Operation]);
    world.tree.listeners.add(this.#listen);
  }

  get leads(): boolean {
    const [first] = this.#world.tree.children(this.#world.layout.masters).sort();
    return first !== undefined && this.#seat.endsWith(first);
  }

  /** Whether it has begun as leader; from then on it believes so until it is told otherwise. */
  hasBegun = false;

  get isIdle(): boolean {
    return (
      !this.#hasGap && this.#events.length + this.#targets.size + this.#planned.length + this.#batches.length === 0
    );
  }

  get dueMs(): number | null {
    return this.#planner.dueMs;
  }

  step(): void {
    if (!this.hasBegun) {
      this.hasBegun = this.leads;
      return;
    }
    const { random } = this.#world;
    if (this.#batches.length > 0) {
      this.#commit(this.#batches.splice(random(this.#batches.length), 1)[0]!);
    } else if (this.#planned.length > 0) {
      const steps = this.#planned.splice(0);
      this.#batches = batchesOf(steps, this.#world.layout, 1 + random(12), bodiesOf(steps));
    } else {
      this.#hear(random(3) === 0 ? random(this.#events.length + 1) : this.#events.length);
      this.#look();
      this.#planned = this.#planner.plan(this.#world.tree.timeMs);
    }
  }

  leaveSeat(): void {
    this.#world.tree.commit(this.session, [{ op: 'delete', path: this.#seat, version: -1 }]);
  }

  /** The connection was away for a moment, and nobody kept what happened. */
  loseEvents(): void {
    this.#events.length = 0;
    this.#hasGap = true;
  }

  #hear(count: number): void {
    const { layout } = this.#world;
    for (const { type, path, zxid } of this.#events.splice(0, count)) {
      const [kind, parent, id] = path.slice(layout.root.length + 1).split('/');
      if (kind === 'workers' && id === undefined) {
        this.#mark({ of: 'worker', worker: parent!, id: '' });
      } else if (kind === 'assigned' && id !== undefined && type !== 'created') {
        this.#markEvent({ of: 'assignment', worker: parent!, id }, type === 'deleted', zxid);
      } else if (kind === 'tasks' && id !== undefined) {
        this.#markEvent({ of: 'task', worker: '', id }, type === 'deleted', zxid);
      }
    }
  }

  #markEvent(target: Target, isEnd: boolean, endedZxid: bigint): void {
    const marked = this.#targets.get(keyOf(target));
    this.#mark(target);
    if (isEnd && this.#hearsZxids && (marked === undefined || marked.endedZxid !== undefined)) {
      this.#targets.set(keyOf(target), { ...target, endedZxid });
    }
  }

  #mark(target: Target): void {
    const { of, id } = target;
    if (of === 'assignment') {
      this.#mark({ of: 'task', worker: '', id });
    }
    this.#targets.set(keyOf(target), target);
  }

  #look(): void {
    const { tree, layout } = this.#world;
    if (this.#hasGap) {
      this.#hasGap = false;
      for (const target of this.#planner.known()) {
        this.#mark(target);
      }
      const folders = tree.children(layout.assigned);
      for (const worker of [...folders, ...tree.children(layout.workers)]) {
        this.#mark({ of: 'worker', worker, id: '' });
        for (const id of tree.children(layout.folder(worker))) {
          this.#mark({ of: 'assignment', worker, id });
        }
      }
      for (const { of, worker } of [...this.#targets.values()]) {
        if (of === 'worker') {
          this.#planner.learn({ of: 'folder', worker, found: folders.includes(worker) });
        }
      }
      for (const id of layout.shards.flatMap((shard) => tree.children(shard))) {
        this.#mark({ of: 'task', worker: '', id });
      }
    }
    for (const target of this.#targets.values()) {
      const ended = { ...target, found: null } as Fact;
      this.#planner.learn(target.endedZxid === undefined ? this.#factOf(target) : ended);
    }
    this.#targets.clear();
  }

  #factOf({ of, worker, id }: Target): Fact {
    const { tree, layout } = this.#world;
    const path = { task: layout.task(id), assignment: layout.assignment(worker, id), worker: layout.worker(worker) };
    const node = tree.nodes.get(path[of as 'task']);
    if (node === undefined) {
      return { of, worker, id, found: null } as Fact;
    }
    const { version, czxid, mtimeMs } = node;
    const data = node.data ?? new Uint8Array();
    if (of === 'task') {
      return { of, id, found: { header: decodeTask('', data).header, version, czxid, mtimeMs } };
    }
    if (of === 'assignment') {
      return { of, worker, id, found: { record: decodeAssignment('', data), version, czxid, mtimeMs } };
    }
    return { of: 'worker', worker, found: decodeWorker('', data) };
  }

  #commit(batch: Batch): void {
    const { tree, layout } = this.#world;
    const fence: Operation = { op: 'check', path: this.#seat, version: -1 };
    const refused = tree.commit(this.session, [fence, ...batch.operations]);
    if (refused === null) {
      for (const step of batch.steps) {
        this.#planner.settle(step, tree.zxid);
      }
      return;
    }
    if (refused <= 0) {
      this.isOver = true;
      tree.listeners.delete(this.#listen);
      return;
    }
    this.refusals += 1;
    const culprits = batch.owners[refused - 1]!;
    const rest = batch.steps.filter((step) => !culprits.includes(step));
    this.#batches.push(...batchesOf(rest, layout, Number.POSITIVE_INFINITY, bodiesOf(rest)));
    for (const step of culprits) {
      this.#refuse(step);
    }
  }

  #refuse(step: Step): void {
    if (step.kind === 'sweep') {
      this.#hasGap = true;
    } else {
      this.#mark({ of: 'task', worker: '', id: step.id });
    }
    if (step.kind === 'assign') {
      this.#mark({ of: 'assignment', worker: step.worker, id: step.id });
      this.#mark({ of: 'worker', worker: step.worker, id: '' });
    }
    if ('replaces' in step && step.replaces !== null) {
      this.#mark({ of: 'assignment', worker: step.replaces.worker, id: step.id });
    }
    this.#planner.settle(step, null);
  }
}

function keyOf({ of, worker, id }: Target): string {
  return `${of} ${worker} ${id}`;
}

/** Of tasks that are parked: these have no payload. */
function bodiesOf(steps: readonly Step[]): Map<Step, Uint8Array> {
  const parking = steps.filter((step) => step.kind === 'park');
  return new Map(parking.map((step) => [step, encodeTask({ header: step.header, body: undefined })]));
}

interface Running {
  readonly id: string;
  readonly attempt: number;
  readonly taskVersion: number;
  /** Of the assignment. */
  readonly czxid: bigint;
  version: number;
  stage: 'read' | 'started' | 'ran';
}

/** A worker: looks into its folder, runs, reports. It does not know when its session has expired, until it writes. */
export class ModelWorker {
  readonly #world: World;
  readonly id: string;
  session: number;
  readonly #running: Running[] = [];
  isOver = false;
  #isLeaving = false;

  constructor(world: World, number: number, capacity: number) {
    this.#world = world;
    this.id = `worker-${number}`;
    this.session = world.tree.openSession();
    const { layout } = world;
    const data = encodeRecord({ capacity, data: {} });
    world.tree.commit(this.session, [
      { op: 'create', path: layout.folder(this.id), data: null },
      { op: 'create', path: layout.worker(this.id), data, ephemeral: true } as Operation,
    ]);
  }

  /** Takes nothing more from here on. */
  leave(): void {
    this.#isLeaving = true;
    const data = encodeRecord({ capacity: 0, data: {} });
    this.#world.tree.commit(this.session, [{ op: 'set', path: this.#world.layout.worker(this.id), data, version: -1 }]);
  }

  step(fails: boolean): void {
    const { random, tree, layout } = this.#world;
    const folder = tree.children(layout.folder(this.id));
    if (folder.length > 0 && (this.#running.length === 0 || random(2) === 0)) {
      this.#read(folder[random(folder.length)]!);
    } else if (this.#running.length > 0) {
      this.#advance(this.#running[random(this.#running.length)]!, fails);
    } else if (this.#isLeaving) {
      tree.commit(this.session, [{ op: 'delete', path: layout.worker(this.id), version: -1 }]);
      this.isOver = true;
    }
  }

  #read(id: string): void {
    const { tree, layout } = this.#world;
    const assignment = tree.nodes.get(layout.assignment(this.id, id))!;
    const task = tree.nodes.get(layout.task(id));
    const record = decodeAssignment('', assignment.data!);
    const isKnown = this.#running.some((running) => running.id === id && running.version === assignment.version);
    if (isKnown || record.state !== 'assigned' || task === undefined) {
      return;
    }
    if (decodeTask('', task.data!).header.state !== 'queued') {
      return;
    }
    const { attempt } = record;
    const { version, czxid } = assignment;
    const running: Running = { id, attempt, taskVersion: task.version, czxid, version, stage: 'read' };
    if (this.#isLeaving) {
      this.#report(running, { state: 'returned', attempt });
      return;
    }
    this.#running.push(running);
  }

  #advance(running: Running, fails: boolean): void {
    const { queue, onRun } = this.#world;
    const { id, attempt } = running;
    if (running.stage === 'read' && queue.delivery === 'at-most-once') {
      if (!this.#report(running, { state: 'started', attempt })) {
        return this.#end(running);
      }
      running.version += 1;
      running.stage = 'started';
    } else if (running.stage !== 'ran') {
      onRun(id);
      running.stage = 'ran';
    } else {
      if (fails) {
        this.#report(running, { state: 'failed', attempt, error: 'by lot' });
      } else {
        this.#deliver(running);
      }
      this.#end(running);
    }
  }

  #deliver(running: Running): void {
    const { tree, layout, queue } = this.#world;
    const { id, attempt, version, taskVersion } = running;
    const data = encodeTask({ header: { state: 'done', worker: this.id, attempt }, body: undefined });
    const removal: Operation = { op: 'delete', path: layout.assignment(this.id, id), version };
    const done: Operation = { op: 'set', path: layout.task(id), data, version: taskVersion };
    const effect: Operation = { op: 'create', path: `/effects/${id}-${tree.nodes.size}`, data: null };
    const effects = queue.delivery === 'effectively-once' ? [effect] : [];
    let refused = tree.commit(this.session, [removal, done, ...effects]);
    if (refused !== null && queue.delivery === 'at-least-once') {
      if (refused < 0) {
        this.session = tree.openSession(); // as clients that begin a new one
      }
      refused = tree.commit(this.session, [done]);
    }
    if (refused !== null) {
      const late: AssignmentRecord = { state: 'failed', attempt, error: 'refused' };
      this.#settle(running, queue.delivery === 'at-most-once' ? late : { state: 'returned', attempt });
    }
  }

  /** False: refused; if it was for another life of the task, the assignment is given back. */
  #report(running: Running, record: AssignmentRecord): boolean {
    const refused = this.#write(running, running.taskVersion, record);
    if (refused === 0) {
      this.#settle(running, record);
    }
    return refused === null;
  }

  #settle(running: Running, record: AssignmentRecord): void {
    const { tree, layout } = this.#world;
    const assignment = tree.nodes.get(layout.assignment(this.id, running.id));
    const task = tree.nodes.get(layout.task(running.id));
    if (assignment?.czxid === running.czxid && assignment.version === running.version && task !== undefined) {
      const isSameLife = task.version === running.taskVersion;
      this.#write(running, task.version, isSameLife ? record : { state: 'returned', attempt: 1 });
    }
  }

  #write({ id, version }: Running, taskVersion: number, record: AssignmentRecord): number | null {
    const { tree, layout } = this.#world;
    const path = layout.assignment(this.id, id);
    return tree.commit(this.session, [
      { op: 'check', path: layout.task(id), version: taskVersion },
      { op: 'set', path, data: encodeRecord(record), version },
    ]);
  }

  #end(running: Running): void {
    this.#running.splice(this.#running.indexOf(running), 1);
  }
}
