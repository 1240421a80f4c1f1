/**
 * Master-worker: no task is lost or done twice in effect, none is in two hands at a time, and what comes of one is
 * never taken for the result of another that was submitted with the same id after it was taken back, forgotten, or not
 * kept any longer. Workers leave in good order under load, and what they have begun they finish.
 */
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
import { TaskLives } from './task-lives.ts';

const PATH = '/tasks';
const EFFECTS = '/effects';
const SHARDS = 4;
const TASKS_MAX = 40;
const BURST_MAX = 6;
/** Ids that are used again when nothing fails any more, after their tasks were not kept any longer. */
const REVIVALS = 3;
const REVIVAL_PAUSE_MS = 10_000;
/** A handler that takes longer than tasks are kept: two minutes at least. */
const LONG_MS_MAX = 200_000;
const LONG_STEP_MS = 1000;
const SEPARATOR = '+';
/** Between a task's id and the number of its try's life. */
const LIFE_MARK = '~';

export const taskScenario: ScenarioMaker = (setting) => new TaskScenario(setting);

class TaskScenario implements Scenario {
  readonly programs: readonly string[];
  readonly #setting: Setting;
  readonly #delivery: Delivery;
  readonly #queue: TaskQueue<string, string>;
  readonly #lives: TaskLives;
  /** Whether tasks that are over are removed soon. */
  readonly #expires: boolean;
  /** Whether masters are known across their restarts. */
  readonly #areKnown: boolean;
  #revivals: number;
  #named = 0;
  #submitting: Program | null = null;

  constructor(setting: Setting) {
    this.#setting = setting;
    const { dice } = setting;
    this.#delivery = dice.pick(['effectively-once', 'effectively-once', 'at-least-once', 'at-most-once'] as const);
    this.#expires = dice.chance(0.5);
    this.#revivals = this.#expires ? REVIVALS : 0;
    const keepMs = this.#expires ? 0 : undefined;
    this.#queue = new TaskQueue({ path: PATH, delivery: this.#delivery, triesMax: 1000, shards: SHARDS, keepMs });
    const workers = Array.from({ length: dice.between(1, 3) }, (_, i) => `worker${i + 1}`);
    this.programs = ['master1', 'master2', ...workers, 'submitter'];
    this.#lives = new TaskLives(this.#delivery);
    this.#areKnown = dice.chance(0.5);
  }

  main(program: Program): Promise<void> {
    return rounds(program, this.#setting, (client) => this.#round(program, client));
  }

  readonly onTurn = (): void => {
    const { world } = this.#setting;
    const folders = world.children(`${PATH}/assigned`);
    const tries = folders.flatMap((worker) => world.children(`${PATH}/assigned/${worker}`));
    const assigned = tries.map((name) => name.slice(0, name.lastIndexOf(LIFE_MARK)));
    const twice = assigned.find((id, i) => assigned.indexOf(id) !== i);
    check(twice === undefined, 'assignments', () => `${twice} is assigned to two workers`);
  };

  missing(): string | null {
    const { open } = this.#lives;
    const isSubmitting = this.#revivals > 0 || (this.#submitting !== null && !this.#submitting.isDead);
    return open.length === 0 && !isSubmitting ? null : `results of ${open.join(', ')}, or a submission`;
  }

  judge(): void {
    const { world } = this.#setting;
    this.#lives.judge(world.children(EFFECTS).map((name) => name.split(SEPARATOR)[0] as string));
    const left = [...world.children(`${PATH}/workers`), ...world.children(`${PATH}/masters`)];
    check(left.length === 0, 'leftovers', () => `left: ${left.join(', ')}`);
  }

  async #round(program: Program, client: Client): Promise<void> {
    if (program.name.startsWith('master')) {
      const identity = this.#areKnown ? program.name : undefined;
      await new Master(client, this.#queue, { name: program.name, identity }).run({ signal: program.closing.signal });
    } else if (program.name.startsWith('worker')) {
      await this.#workFor(program, client);
    } else {
      await this.#submitOrWait(program, client);
    }
  }

  /** Until the end, or until it leaves in good order, to join again. */
  async #workFor(program: Program, client: Client): Promise<void> {
    const { dice, world } = this.#setting;
    const leaving = new AbortController();
    if (!world.isHealed && dice.chance(0.7)) {
      program.after(dice.between(200, 5000), () => leaving.abort());
    }
    let running = 0;
    const handler = async (attempt: Attempt<string>): Promise<string> => {
      running += 1;
      try {
        return await this.#work(program, client, attempt);
      } finally {
        running -= 1;
      }
    };
    const worker = new Worker(client, this.#queue, handler, { concurrency: 3, capacity: 4, name: program.name });
    await worker.run({ signal: AbortSignal.any([program.closing.signal, leaving.signal]) });
    check(running === 0, 'tasks', () => `${program.name} has left, and ${running} of its handlers run on`);
    world.count('worker left');
  }

  async #work(program: Program, client: Client, attempt: Attempt<string>): Promise<string> {
    const { dice, planted } = this.#setting;
    const { payload, transaction, signal } = attempt;
    this.#lives.ran(payload);
    await program.sleep(dice.between(0, 1500));
    for (let longMs = dice.chance(0.02) ? dice.between(0, LONG_MS_MAX) : 0; longMs > 0; longMs -= LONG_STEP_MS) {
      await program.sleep(program.closing.signal.aborted ? 0 : LONG_STEP_MS);
    }
    // Half of them do not listen, and go on.
    if (dice.chance(0.5)) {
      signal.throwIfAborted();
    }
    if (this.#delivery === 'effectively-once') {
      const target = planted.looseEffects === true ? client : transaction;
      await target.create(`${EFFECTS}/${payload}${SEPARATOR}`, '', { mode: 'persistent-sequential' });
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
    if (!world.isHealed && dice.chance(0.1)) {
      await this.#meddle(client);
    }
    const [open] = this.#lives.open;
    const { ids } = this.#lives;
    if (!world.isHealed && ids.length > 0 && dice.chance(0.4)) {
      await this.#replace(program, submitter, dice.pick(ids));
    } else if (this.#named < TASKS_MAX && !world.isHealed && (open === undefined || dice.chance(0.8))) {
      const names = Array.from({ length: dice.between(1, BURST_MAX) }, () => `task-${++this.#named}`);
      await this.#submit(program, submitter, names);
    } else if (open !== undefined) {
      await this.#settle(await submitter.task(open), program.closing.signal);
    } else if (world.isHealed && this.#revivals > 0) {
      await this.#revive(program, submitter);
    }
  }

  /** As an operator does: leaves a note among the tasks, or tidies up where nothing is at the moment. */
  async #meddle(client: Client): Promise<void> {
    const { world, dice } = this.#setting;
    const meddling = dice.chance(0.5)
      ? client.create(`${PATH}/tasks/00${dice.between(0, SHARDS - 1)}/note-`, 'no task', {
          mode: 'persistent-sequential',
        })
      : client.delete(`${PATH}/${dice.pick(['workers', 'assigned', 'progress'])}`);
    await meddling.then(
      () => world.count('operator meddled'),
      () => undefined, // it is not there, or not empty
    );
  }

  /** Submits again with an id whose task is not kept any longer. */
  async #revive(program: Program, submitter: Submitter<string, string>): Promise<void> {
    const { world, dice } = this.#setting;
    const { ids } = this.#lives;
    const gone: string[] = [];
    for (const id of ids) {
      if ((await (await submitter.task(id)).status()).state === 'gone') {
        gone.push(id);
      }
    }
    if (gone.length > 0) {
      const id = dice.pick(gone);
      this.#lives.gone(id);
      await this.#submit(program, submitter, [id]);
      world.count('task revived');
    } else if (ids.length > 0 && !this.#lives.areAllParked) {
      return await program.sleep(REVIVAL_PAUSE_MS);
    }
    this.#revivals -= 1;
  }

  async #submit(program: Program, submitter: Submitter<string, string>, ids: readonly string[]): Promise<void> {
    const { world, dice } = this.#setting;
    this.#submitting = program;
    const submit = async (id: string): Promise<void> => {
      await submitter.submit(this.#lives.begin(id), { id, priority: dice.between(0, 2) });
      this.#lives.submitted(id);
      world.count('task submitted');
    };
    await Promise.all(ids.map(submit)).finally(() => {
      this.#submitting = null;
    });
  }

  /** Takes it back, if it is not over; has it forgotten, and submits another with its id. */
  async #replace(program: Program, submitter: Submitter<string, string>, id: string): Promise<void> {
    const { world, dice } = this.#setting;
    const task = await submitter.task(id);
    try {
      if (this.#lives.open.includes(id) && (await task.cancel())) {
        this.#lives.cancelled(id);
        world.count('task taken back');
        await program.sleep(dice.chance(0.5) ? 0 : dice.between(0, 500));
      }
    } catch (error) {
      this.#ended(id, error);
    }
    this.#lives.abandon(id); // if the answer is lost it may be gone
    if (await task.forget()) {
      this.#lives.gone(id);
      await program.sleep(dice.chance(0.7) ? 0 : dice.between(0, 500));
      await this.#submit(program, submitter, [id]);
      world.count('task replaced');
    }
  }

  async #settle(task: TaskHandle<string, string>, signal: AbortSignal): Promise<void> {
    const { world } = this.#setting;
    try {
      this.#lives.done(task.id, await task.result({ signal }));
      world.count('task done');
    } catch (error) {
      this.#ended(task.id, error);
    }
  }

  #ended(id: string, error: unknown): void {
    const { world } = this.#setting;
    if (isRecipeError(error, 'TASK_CANCELLED')) {
      this.#lives.cancelled(id); // by a call whose answer was lost
    } else if (isRecipeError(error, 'TASK_GONE') && this.#expires) {
      this.#lives.gone(id);
      world.count('task expired');
    } else if (isRecipeError(error, 'TASK_PARKED') && this.#delivery === 'at-most-once') {
      this.#lives.parked(id);
      world.count('task parked');
    } else {
      throw error;
    }
  }
}
