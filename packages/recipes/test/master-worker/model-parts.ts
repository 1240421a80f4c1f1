/** Masters and workers over the model tree, each a list of small steps between which anything may happen. */
import type { Fact } from '../../src/master-worker/facts.ts';
import { Planner } from '../../src/master-worker/planner.ts';
import { type Layout, type TaskQueue, type Try, tryNamed } from '../../src/master-worker/queue.ts';
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
  onRun(run: Try): void;
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
        this.#markEvent({ of: 'assignment', worker: parent!, ...tryNamed(id)! }, type === 'deleted', zxid);
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
        for (const name of tree.children(layout.folder(worker))) {
          this.#mark({ of: 'assignment', worker, ...tryNamed(name)! });
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

  #factOf(target: Target): Fact {
    const { tree, layout } = this.#world;
    const { of, worker, id } = target;
    const path = {
      task: () => layout.task(id),
      assignment: () => layout.assignment(worker, target as Try),
      worker: () => layout.worker(worker),
    };
    const node = tree.nodes.get(path[of as 'task']());
    if (node === undefined) {
      return { ...target, found: null } as Fact;
    }
    const { version, czxid, mzxid, mtimeMs } = node;
    const data = node.data ?? new Uint8Array();
    if (of === 'task') {
      return { of, id, found: { header: decodeTask('', data).header, version, czxid, mzxid, mtimeMs } };
    }
    if (of === 'assignment') {
      const { life } = target;
      return { of, worker, id, life, found: { record: decodeAssignment('', data), version, czxid, mtimeMs } };
    }
    return { of: 'worker', worker, found: { ...decodeWorker('', data), version } };
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
      this.#mark({ of: 'assignment', worker: step.worker, id: step.id, life: step.life });
      this.#mark({ of: 'worker', worker: step.worker, id: '' });
    }
    if ('replaces' in step && step.replaces !== null) {
      const { worker, life } = step.replaces;
      this.#mark({ of: 'assignment', worker, id: step.id, life });
    }
    this.#planner.settle(step, null);
  }
}

function keyOf(target: Target): string {
  const { of, worker, id } = target;
  return `${of} ${worker} ${id} ${target.of === 'assignment' ? target.life : ''}`;
}

/** Of tasks that are parked: these have no payload. */
function bodiesOf(steps: readonly Step[]): Map<Step, Uint8Array> {
  const parking = steps.filter((step) => step.kind === 'park');
  return new Map(parking.map((step) => [step, encodeTask({ header: step.header, body: undefined })]));
}

interface Running extends Try {
  readonly attempt: number;
  readonly taskVersion: number;
  /** The try, or the one that is taken in its place. */
  path: string;
  version: number;
  stage: 'read' | 'started' | 'ran' | 'late';
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

  #read(name: string): void {
    const { tree, layout } = this.#world;
    const named = tryNamed(name)!;
    const path = layout.assignment(this.id, named);
    const { version, data } = tree.nodes.get(path)!;
    const task = tree.nodes.get(layout.task(named.id));
    const { state, attempt } = decodeAssignment('', data!);
    const isKnown = this.#running.some((running) => running.path === path && running.version === version);
    if (isKnown || state !== 'assigned' || task === undefined || task.mzxid !== named.life) {
      return;
    }
    if (decodeTask('', task.data!).header.state !== 'queued') {
      return;
    }
    const running: Running = { ...named, attempt, taskVersion: task.version, path, version, stage: 'read' };
    if (this.#isLeaving) {
      this.#report(running, { state: 'returned', attempt });
      return;
    }
    this.#running.push(running);
  }

  #advance(running: Running, fails: boolean): void {
    const { queue, onRun } = this.#world;
    const { attempt } = running;
    if (running.stage === 'read' && queue.delivery === 'at-most-once') {
      if (!this.#report(running, { state: 'started', attempt })) {
        return this.#end(running);
      }
      running.version += 1;
      running.stage = 'started';
    } else if (running.stage === 'read' || running.stage === 'started') {
      onRun(running);
      running.stage = 'ran';
    } else if (fails && running.stage === 'ran') {
      this.#report(running, { state: 'failed', attempt, error: 'by lot' });
      this.#end(running);
    } else if (this.#deliver(running)) {
      this.#end(running);
    }
  }

  /** False: it is to be sent again. */
  #deliver(running: Running): boolean {
    const { tree, layout, queue } = this.#world;
    const { id, life, attempt, path, version, taskVersion } = running;
    const body = Buffer.from(`${life}`);
    const data = encodeTask({ header: { state: 'done', worker: this.id, attempt }, body });
    const removal: Operation = { op: 'delete', path, version };
    const done: Operation = { op: 'set', path: layout.task(id), data, version: taskVersion };
    const effect: Operation = { op: 'create', path: `/effects/${id}~${life}-${tree.nodes.size}`, data: null };
    const effects = queue.delivery === 'effectively-once' ? [effect] : [];
    const refused = tree.commit(this.session, [removal, done, ...effects]);
    if (refused === -1) {
      this.session = tree.openSession(); // as clients that begin a new one
      return false;
    }
    const late =
      queue.delivery === 'at-least-once' ? triesIn(this.#world, id).find((other) => other.life === life) : null;
    if (refused === null || late == null || (late.path === path && late.version === version)) {
      return true;
    }
    running.path = late.path;
    running.version = late.version;
    running.stage = 'late';
    return false;
  }

  /** False: refused. */
  #report({ id, path, version, taskVersion }: Running, record: AssignmentRecord): boolean {
    const { tree, layout } = this.#world;
    const check: Operation = { op: 'check', path: layout.task(id), version: taskVersion };
    return tree.commit(this.session, [check, { op: 'set', path, data: encodeRecord(record), version }]) === null;
  }

  #end(running: Running): void {
    this.#running.splice(this.#running.indexOf(running), 1);
  }
}

interface Found extends Try {
  readonly path: string;
  readonly version: number;
}

/** All tries of a task. */
export function triesIn(world: World, id: string): Found[] {
  return world.tree.children(world.layout.assigned).flatMap((worker) => triesAt(world, worker, id));
}

function triesAt({ tree, layout }: World, worker: string, id: string): Found[] {
  const named = tree.children(layout.folder(worker)).map((name) => tryNamed(name)!);
  return named
    .filter((other) => other.id === id)
    .map((other) => {
      const path = layout.assignment(worker, other);
      return { ...other, path, version: tree.nodes.get(path)!.version };
    });
}

/** Somebody who wants a task forgotten: looks at it, at the folders one by one, and removes it. */
export class ModelForget {
  readonly #world: World;
  readonly #id: string;
  readonly #session: number;
  readonly #version: number;
  readonly #folders: string[];
  readonly #tries: Found[] = [];
  isOver = false;

  constructor(world: World, id: string, version: number, isCancelled: boolean) {
    this.#world = world;
    this.#id = id;
    this.#version = version;
    this.#session = world.tree.openSession();
    this.#folders = isCancelled ? world.tree.children(world.layout.assigned) : [];
  }

  step(): void {
    const { tree, layout } = this.#world;
    const folder = this.#folders.shift();
    if (folder !== undefined) {
      this.#tries.push(...triesAt(this.#world, folder, this.#id));
      return;
    }
    const removals = this.#tries.map(({ path, version }): Operation => ({ op: 'delete', path, version }));
    tree.commit(this.#session, [{ op: 'delete', path: layout.task(this.#id), version: this.#version }, ...removals]);
    this.isOver = true;
  }
}
