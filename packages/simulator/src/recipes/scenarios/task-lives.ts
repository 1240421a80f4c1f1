/** What a submitter knows of its tasks, of which several may have had the same id, one after another. */
import type { Delivery } from '@treekeeper/recipes/master-worker';
import { check } from '../../checkers/violation.ts';

/**
 * `unsure`: submitted without an answer, or there was another one like this. `open`: submitted. `ended`: removed, and
 * nobody has seen how it had ended.
 */
type State = 'unsure' | 'open' | 'done' | 'parked' | 'cancelled' | 'ended';

interface Life {
  readonly id: string;
  /** Unique; in capitals it is the result. */
  readonly payload: string;
  state: State;
  /** How often handlers have begun. */
  runs: number;
}

export class TaskLives {
  readonly #delivery: Delivery;
  readonly #lives = new Map<string, Life>();
  /** Of each id that was submitted, whether it is not known to be over. */
  readonly #isOpen = new Map<string, boolean>();

  constructor(delivery: Delivery) {
    this.#delivery = delivery;
  }

  /** Those whose results are to be waited for. */
  get open(): readonly string[] {
    return this.ids.filter((id) => this.#isOpen.get(id));
  }

  get ids(): readonly string[] {
    return [...this.#isOpen.keys()];
  }

  /** Those are kept until somebody removes them. */
  get areAllParked(): boolean {
    return this.ids.every((id) => this.#of(id).some(({ state }) => state === 'parked'));
  }

  /** Is about to be submitted: with which payload. */
  begin(id: string): string {
    const payload = `${id}.${this.#of(id).length + 1}`;
    this.#lives.set(payload, { id, payload, state: 'unsure', runs: 0 });
    return payload;
  }

  /** It is there, or another one, of a submission before whose answer was lost. */
  submitted(id: string): void {
    this.#isOpen.set(id, true);
    const candidates = this.#candidates(id);
    const [only] = candidates;
    if (only !== undefined && candidates.length === 1) {
      only.state = 'open';
    }
  }

  ran(payload: string): void {
    const life = this.#lives.get(payload);
    check(life !== undefined, 'tasks', () => `${payload} is run, and was never submitted`);
    life.runs += 1;
  }

  /** Nobody waits for it any more. */
  abandon(id: string): void {
    this.#isOpen.set(id, false);
  }

  done(id: string, result: string): void {
    const life = this.#candidates(id).find(({ payload }) => payload.toUpperCase() === result);
    check(life !== undefined, 'tasks', () => `the result of ${id} is ${result}, of a task that is over`);
    life.state = 'done';
    this.#isOpen.set(id, false);
  }

  parked(id: string): void {
    this.#end(id, 'parked');
  }

  cancelled(id: string): void {
    this.#end(id, 'cancelled');
  }

  /** It is not there any more. */
  gone(id: string): void {
    this.#end(id, 'ended');
  }

  /** With all effects that there have been, each by the payload that it is of. */
  judge(effects: readonly string[]): void {
    for (const { payload, state, runs } of this.#lives.values()) {
      const count = effects.filter((effect) => effect === payload).length;
      const isOnce = state === 'done' ? count === 1 : count <= (state === 'cancelled' ? 0 : 1);
      check(
        isOnce || this.#delivery !== 'effectively-once',
        'tasks',
        () => `${payload} is ${state}, and has happened ${count} times in effect`,
      );
      check(runs > 0 || state !== 'done', 'tasks', () => `${payload} was never run`);
      check(
        this.#delivery !== 'at-most-once' || runs <= 1,
        'tasks',
        () => `${payload} was to run once, and ran ${runs} times`,
      );
    }
  }

  #of(id: string): readonly Life[] {
    return [...this.#lives.values()].filter((life) => life.id === id);
  }

  /** Those that may be the one that is there. */
  #candidates(id: string): readonly Life[] {
    return this.#of(id).filter(({ state }) => state === 'open' || state === 'unsure');
  }

  #end(id: string, state: State): void {
    this.#isOpen.set(id, false);
    for (const life of this.#candidates(id)) {
      life.state = life.state === 'open' ? state : life.state;
    }
  }
}
