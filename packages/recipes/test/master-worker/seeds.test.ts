/**
 * The master's mind under faults from seeds, without a server: masters that are deposed between a decision and its
 * deed, workers that expire at any step and go on as if they had not, events that come late or not at all.
 */
import { describe, expect, test } from 'vitest';
import { Layout, TaskQueue, type Try, tryNamed } from '../../src/master-worker/queue.ts';
import { decodeAssignment, decodeTask, encodeTask, type TaskHeader } from '../../src/master-worker/records.ts';
import { ModelForget, ModelMaster, ModelWorker, triesIn, type World } from './model-parts.ts';
import { ModelTree } from './model-tree.ts';

/** `SEEDS=10000 npx vitest run …` for a long look. */
const SEEDS = Number(process.env['SEEDS'] ?? 150);
const TIMEOUT_MS = 600_000;
const STEPS = 600;
const TASKS = 12;
/** Longer than tasks are kept at least. */
const LONG_MS = 200_000;

/** xorshift, 32 bits. */
function dice(seed: number): (below: number) => number {
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Adds to it, and tells how much there is now. */
function count(counts: Map<string, number>, key: string, more = 1): number {
  const sum = (counts.get(key) ?? 0) + more;
  counts.set(key, sum);
  return sum;
}

class Life {
  readonly random: (below: number) => number;
  readonly tree = new ModelTree();
  readonly queue: TaskQueue<never, never>;
  readonly layout: Layout;
  readonly world: World;
  /** All of these by life. */
  readonly runs = new Map<string, number>();
  readonly tries = new Map<string, number>();
  readonly dones = new Map<string, number>();
  /** Of each task that is queued, or was before it ended. */
  readonly lives = new Map<string, bigint>();
  forgets: ModelForget[] = [];
  masters: ModelMaster[] = [];
  workers: ModelWorker[] = [];
  submitted = 0;
  made = 0;

  constructor(seed: number, delivery: TaskQueue['delivery']) {
    this.random = dice(seed);
    const retryDelayMs = this.random(2) * 50;
    const keepMs = this.random(3) === 0 ? 20 : 1_000_000;
    this.queue = new TaskQueue({ path: '/q', delivery, shards: 2, triesMax: 1 + this.random(4), retryDelayMs, keepMs });
    this.layout = new Layout(this.queue);
    const onRun = ({ id, life }: Try): void => void count(this.runs, `${id}~${life}`);
    this.world = { tree: this.tree, queue: this.queue, layout: this.layout, random: this.random, onRun };
    for (const path of ['', '/q', '/effects', ...this.layout.skeleton]) {
      this.tree.nodes.set(path, { data: null, version: 0, czxid: 0n, mzxid: 0n, mtimeMs: 0, owner: 0 });
    }
    this.tree.listeners.add(({ type, path }) => this.#judge(type, path));
  }

  header(id: string): TaskHeader | null {
    const node = this.tree.nodes.get(this.layout.task(id));
    return node === undefined ? null : decodeTask('', node.data!).header;
  }

  get ids(): string[] {
    return Array.from({ length: this.submitted }, (_, i) => `task-${i}`);
  }

  /** What must be so at every moment. */
  #judge(type: string, path: string): void {
    const [, , kind, , name] = path.split('/');
    if (name === undefined || type === 'deleted') {
      return;
    }
    if (kind === 'assigned') {
      this.#judgeTry(type, path, tryNamed(name)!);
    } else if (kind === 'tasks') {
      this.#judgeTask(path, name);
    }
  }

  #judgeTry(type: string, path: string, { id, life }: Try): void {
    if (type === 'created') {
      expect(triesIn(this.world, id), `tries of ${id}`).toHaveLength(1);
    }
    const { state } = decodeAssignment('', this.tree.nodes.get(path)!.data!);
    const tries = count(this.tries, `${id}~${life}`, state === 'assigned' ? 1 : state === 'returned' ? -1 : 0);
    expect(tries, `tries of ${id}`).toBeLessThanOrEqual(this.queue.triesMax);
  }

  #judgeTask(path: string, id: string): void {
    const { data, mzxid } = this.tree.nodes.get(path)!;
    const { header, body } = decodeTask('', data!);
    if (header.state === 'queued') {
      this.lives.set(id, mzxid);
    } else if (header.state === 'done') {
      const life = this.lives.get(id)!;
      expect(Buffer.from(body!).toString(), `result of ${id}`).toBe(`${life}`);
      expect(count(this.dones, `${id}~${life}`), `${id} done`).toBe(1);
    }
  }

  submit(id = `task-${this.submitted++}`): void {
    const header = { state: 'queued', priority: this.random(3), serial: this.submitted, delayMs: 0 } as const;
    const session = this.tree.openSession();
    const data = encodeTask({ header, body: undefined });
    this.tree.commit(session, [{ op: 'create', path: this.layout.task(id), data }]);
    this.tree.sessions.delete(session);
  }

  cancel(): void {
    const id = `task-${this.random(this.submitted || 1)}`;
    if (this.header(id)?.state === 'queued') {
      this.#change(id, 'cancelled');
    }
  }

  /** Mostly at once: before anybody has seen that it was taken back. */
  retry(): void {
    const state = this.random(8) === 0 ? 'parked' : 'cancelled';
    const id = this.#any((header) => header?.state === state);
    if (id !== null) {
      this.#change(id, 'queued');
    }
  }

  forget(): void {
    const id = this.#any((header) => header !== null && header.state !== 'queued');
    if (id !== null) {
      const { version } = this.tree.nodes.get(this.layout.task(id))!;
      this.forgets.push(new ModelForget(this.world, id, version, this.header(id)!.state === 'cancelled'));
    }
  }

  /** With the same id, and mostly before anybody has seen that it was forgotten. */
  submitAgain(): void {
    const id = this.#any((header) => header === null);
    if (id !== null) {
      this.submit(id);
    }
  }

  #any(fits: (header: TaskHeader | null) => boolean): string | null {
    const ids = this.ids.filter((id) => fits(this.header(id)));
    return ids[this.random(ids.length || 1)] ?? null;
  }

  #change(id: string, state: 'cancelled' | 'queued'): void {
    const path = this.layout.task(id);
    const { priority, serial } = this.header(id) as Extract<TaskHeader, { state: 'queued' }>;
    const header: TaskHeader =
      state === 'queued' ? { state, priority, serial, delayMs: 0 } : { state, priority, serial };
    const session = this.tree.openSession();
    const { version } = this.tree.nodes.get(path)!;
    this.tree.commit(session, [{ op: 'set', path, data: encodeTask({ header, body: undefined }), version }]);
    this.tree.sessions.delete(session);
  }

  addMaster(): void {
    this.made += 1;
    this.masters.push(new ModelMaster(this.world, this.made));
  }

  addWorker(): void {
    this.made += 1;
    this.workers.push(new ModelWorker(this.world, this.made, 1 + this.random(3)));
  }

  work(fails: boolean): void {
    const all = [...this.masters, ...this.workers, ...this.forgets];
    const actor = all[this.random(all.length)];
    if (actor instanceof ModelWorker) {
      actor.step(fails);
    } else {
      actor?.step();
    }
    this.forgets = this.forgets.filter(({ isOver }) => !isOver);
    this.masters = this.masters.filter(({ isOver }) => !isOver);
    this.workers = this.workers.filter(({ isOver }) => !isOver);
  }

  fault(): void {
    const master = this.masters[this.random(this.masters.length || 1)];
    const worker = this.workers[this.random(this.workers.length || 1)];
    switch (this.random(11)) {
      case 7: // it has given its place up, and does not know whether what it sent before was done
        return master?.leaveSeat();
      case 0: // paused until its session has expired: it goes on all the same, until it is told
        return master === undefined ? undefined : this.tree.expire(master.session);
      case 1: // crashed
        this.masters = this.masters.filter((other) => other !== master);
        return master === undefined ? undefined : this.tree.expire(master.session);
      case 2:
        return worker === undefined ? undefined : this.tree.expire(worker.session);
      case 3:
        this.workers = this.workers.filter((other) => other !== worker);
        return worker === undefined ? undefined : this.tree.expire(worker.session);
      case 4:
        return master?.loseEvents();
      case 5:
        this.cancel();
        return this.random(3) === 0 ? this.retry() : undefined;
      case 6:
        return worker?.leave();
      case 8:
        return this.forget();
      case 9:
        return this.submitAgain();
      default:
        this.tree.timeMs += this.random(4) === 0 ? LONG_MS : this.random(100);
    }
  }
}

function live(seed: number, delivery: TaskQueue['delivery']): Life {
  const life = new Life(seed, delivery);
  for (let i = 0; i < STEPS; i++) {
    if (life.submitted < TASKS && life.random(10) === 0) {
      life.submit();
    } else if (life.masters.length < 2) {
      life.addMaster();
    } else if (life.workers.length < 3 && life.random(3) === 0) {
      life.addWorker();
    } else if (life.random(15) === 0) {
      life.fault();
    } else {
      life.work(life.random(4) === 0);
    }
  }
  settle(life);
  return life;
}

/** Nothing breaks any more: everything must come to its end, with a new master or with those that there are. */
function settle(life: Life): void {
  const { tree, layout } = life;
  if (life.random(2) === 0) {
    for (const { session } of [...life.masters, ...life.workers]) {
      tree.expire(session);
    }
  }
  life.addMaster();
  life.addWorker();
  const isOver = (): boolean => life.ids.every((id) => life.header(id)?.state !== 'queued');
  const isTidy = (): boolean =>
    tree
      .children(layout.assigned)
      .every((worker) => tree.nodes.has(layout.worker(worker)) && tree.children(layout.folder(worker)).length === 0);
  for (let i = 0; !(isOver() && isTidy()); i++) {
    expect(i, 'steps until everything is over').toBeLessThan(20_000);
    life.work(false);
    const leader = life.masters.find(({ leads }) => leads);
    tree.timeMs += leader?.isIdle === true ? 10 : 0;
  }
}

describe.each(['at-least-once', 'at-most-once', 'effectively-once'] as const)('%s', (delivery) => {
  test(
    `${SEEDS} lives: nothing lost, nothing done twice, no task with two workers`,
    () => {
      const ends = { done: 0, parked: 0, cancelled: 0, queued: 0 };
      for (let seed = 1; seed <= SEEDS; seed++) {
        try {
          const life = live(seed, delivery);
          const effects = life.tree.children('/effects').map((name) => name.split('-').slice(0, -1).join('-'));
          const dones = delivery === 'effectively-once' ? [...life.dones.keys()] : [];
          expect(effects.sort(), 'effects').toEqual(dones.sort());
          if (delivery === 'at-most-once') {
            expect(Math.max(0, ...life.runs.values()), 'runs').toBeLessThanOrEqual(1);
          }
          for (const id of life.ids) {
            const header = life.header(id);
            if (header === null) {
              continue; // forgotten, or not kept
            }
            ends[header.state] += 1;
            if (header.state === 'parked' && header.reason === 'failed' && delivery !== 'at-most-once') {
              expect(header.attempts, `tries of ${id}`).toBe(life.queue.triesMax);
            }
          }
        } catch (error) {
          throw new Error(`seed ${seed}, ${delivery}: ${(error as Error).message}`, { cause: error });
        }
      }
      expect(ends.queued).toBe(0);
      expect(Math.min(ends.done, ends.parked, ends.cancelled)).toBeGreaterThan(SEEDS / 6);
    },
    TIMEOUT_MS,
  );
});

test('one seed is one life', () => {
  const trace = (): unknown => {
    const { tree, runs } = live(7, 'effectively-once');
    return [[...tree.nodes].map(([path, { version }]) => `${path} ${version}`), [...runs]];
  };
  expect(trace()).toEqual(trace());
});
