/** Master-worker: no task is lost or done twice in effect, and none is in two hands at a time. */
import { type Client, isTreekeeperError } from '@treekeeper/client';
import { isRecipeError } from '@treekeeper/recipes';
import {
  type Attempt,
  type Delivery,
  Master,
  Submitter,
  type TaskHandle,
  TaskQueue,
  Worker,
} from '@treekeeper/recipes/master-worker';
import { check } from '../../checkers/violation.ts';
import type { Program } from '../program.ts';
import { rounds, type Scenario, type ScenarioMaker, type Setting } from '../scenario.ts';

const PATH = '/tasks';
const EFFECTS = '/effects';
const TASKS_MAX = 40;
const SEPARATOR = '+';

export const taskScenario: ScenarioMaker = (setting) => new TaskScenario(setting);

class TaskScenario implements Scenario {
  readonly programs: readonly string[];
  readonly #setting: Setting;
  readonly #delivery: Delivery;
  readonly #queue: TaskQueue<string, string>;
  readonly #submitted = new Set<string>();
  readonly #outcomes = new Map<string, 'done' | 'parked'>();
  /** How often handlers have begun. */
  readonly #runs = new Map<string, number>();
  #named = 0;
  #submitting: Program | null = null;

  constructor(setting: Setting) {
    this.#setting = setting;
    const { dice } = setting;
    this.#delivery = dice.pick(['effectively-once', 'effectively-once', 'at-least-once', 'at-most-once'] as const);
    this.#queue = new TaskQueue({ path: PATH, delivery: this.#delivery, triesMax: 1000, shards: 4 });
    const workers = Array.from({ length: dice.between(1, 3) }, (_, i) => `worker${i + 1}`);
    this.programs = ['master1', 'master2', ...workers, 'submitter'];
  }

  main(program: Program): Promise<void> {
    return rounds(program, this.#setting, (client) => this.#round(program, client));
  }

  readonly onTurn = (): void => {
    const { world } = this.#setting;
    const folders = world.children(`${PATH}/assigned`);
    const assigned = folders.flatMap((worker) => world.children(`${PATH}/assigned/${worker}`));
    const twice = assigned.find((id, i) => assigned.indexOf(id) !== i);
    check(twice === undefined, 'assignments', () => `${twice} is assigned to two workers`);
  };

  missing(): string | null {
    const open = [...this.#submitted].filter((id) => !this.#outcomes.has(id));
    const isSubmitting = this.#submitting !== null && !this.#submitting.isDead;
    return open.length === 0 && !isSubmitting ? null : `results of ${open.join(', ')}, or a submission`;
  }

  judge(): void {
    const { world } = this.#setting;
    const effects = world.children(EFFECTS).map((name) => name.split(SEPARATOR)[0]);
    for (const id of this.#submitted) {
      const count = effects.filter((effect) => effect === id).length;
      const tries = this.#runs.get(id) ?? 0;
      if (this.#delivery === 'effectively-once') {
        check(count === 1, 'tasks', () => `${id} was done, and has happened ${count} times in effect`);
      }
      check(tries > 0 || this.#outcomes.get(id) === 'parked', 'tasks', () => `${id} was never run`);
      check(
        this.#delivery !== 'at-most-once' || tries <= 1,
        'tasks',
        () => `${id} was to run once, and ran ${tries} times`,
      );
    }
    const left = [...world.children(`${PATH}/workers`), ...world.children(`${PATH}/masters`)];
    check(left.length === 0, 'leftovers', () => `left: ${left.join(', ')}`);
  }

  async #round(program: Program, client: Client): Promise<void> {
    const { signal } = program.closing;
    if (program.name.startsWith('master')) {
      await new Master(client, this.#queue, { name: program.name }).run({ signal });
    } else if (program.name.startsWith('worker')) {
      const handler = (attempt: Attempt<string>) => this.#work(program, client, attempt);
      await new Worker(client, this.#queue, handler, { concurrency: 3, name: program.name }).run({ signal });
    } else {
      await this.#submitOrWait(program, client);
    }
  }

  async #work(program: Program, client: Client, attempt: Attempt<string>): Promise<string> {
    const { dice, planted } = this.#setting;
    const { id, payload, transaction, signal } = attempt;
    this.#runs.set(id, (this.#runs.get(id) ?? 0) + 1);
    await program.sleep(dice.between(0, 1500));
    // Half of them do not listen, and go on.
    if (dice.chance(0.5)) {
      signal.throwIfAborted();
    }
    if (this.#delivery === 'effectively-once') {
      const target = planted.looseEffects === true ? client : transaction;
      await target.create(`${EFFECTS}/${id}${SEPARATOR}`, '', { mode: 'persistent-sequential' });
    }
    return payload.toUpperCase();
  }

  async #submitOrWait(program: Program, client: Client): Promise<void> {
    const { world, dice } = this.#setting;
    await client.create(EFFECTS, '').catch((error: unknown) => {
      if (!isTreekeeperError(error, 'NODE_EXISTS')) {
        throw error;
      }
    });
    const submitter = new Submitter(client, this.#queue);
    await program.sleep(dice.between(0, 400));
    const open = [...this.#submitted].find((id) => !this.#outcomes.has(id));
    if (this.#named < TASKS_MAX && !world.isHealed && (open === undefined || dice.chance(0.8))) {
      await this.#submit(program, submitter);
    } else if (open !== undefined) {
      await this.#settle(await submitter.task(open), program.closing.signal);
    }
  }

  async #submit(program: Program, submitter: Submitter<string, string>): Promise<void> {
    const { world, dice } = this.#setting;
    const id = `task-${++this.#named}`;
    this.#submitting = program;
    await submitter.submit(id, { id, priority: dice.between(0, 2) }).finally(() => {
      this.#submitting = null;
    });
    this.#submitted.add(id);
    world.count('task submitted');
  }

  async #settle(task: TaskHandle<string, string>, signal: AbortSignal): Promise<void> {
    const { world } = this.#setting;
    try {
      const result = await task.result({ signal });
      check(result === task.id.toUpperCase(), 'tasks', () => `the result of ${task.id} is ${result}`);
      this.#outcomes.set(task.id, 'done');
      world.count('task done');
    } catch (error) {
      if (!isRecipeError(error, 'TASK_PARKED') || this.#delivery !== 'at-most-once') {
        throw error;
      }
      this.#outcomes.set(task.id, 'parked');
      world.count('task parked');
    }
  }
}
