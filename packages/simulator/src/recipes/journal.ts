/** A log that every guarded write goes through, and who believes to hold what: the judges of mutual exclusion. */
import type { Hold } from '@treekeeper/recipes';
import { check } from '../checkers/violation.ts';
import type { Program } from './program.ts';
import type { RecipeWorld } from './world.ts';

const JOURNAL = '/journal';
const ENTRY = 'entry-';

/** Who was let in. */
export interface Holder {
  readonly program: Program;
  readonly hold: Hold;
}

export class Journal {
  readonly #world: RecipeWorld;
  /** How many may hold at a time. */
  readonly #holdersMax: number;
  #holders: Holder[] = [];
  readonly #tokens = new Map<bigint, string>();
  readonly #acknowledged = new Set<string>();
  #writes = 0;

  constructor(world: RecipeWorld, holdersMax = 1) {
    this.#world = world;
    this.#holdersMax = holdersMax;
  }

  /** Somebody has been let in: nobody else may believe to be so, but for one whose program stands still. */
  entered(program: Program, hold: Hold): void {
    const world = this.#world;
    world.tell(() => `${program.name} holds ${hold.node}, token ${hold.token}`);
    const token = this.#tokens.get(hold.token);
    check(token === undefined, 'tokens', () => `${program.name} and ${token} both got ${hold.token}`);
    this.#tokens.set(hold.token, program.name);
    this.#holders = this.#holders.filter((holder) => holder.hold.state !== 'lost' && holder.hold.state !== 'released');
    this.#holders.push({ program, hold });
    const sure = this.#holders.filter((holder) => holder.hold.state === 'held' && canKnow(holder.program));
    check(
      sure.length <= this.#holdersMax,
      'mutual exclusion',
      () => `${sure.map((holder) => `${holder.program.name} (${holder.hold.token})`).join(' and ')} hold at a time`,
    );
  }

  /** Writes into the journal under the hold's guard. */
  async write(program: Program, hold: Hold): Promise<void> {
    this.#writes++;
    const text = `${hold.token} ${this.#writes} ${program.name}`;
    await hold.guarded.transaction().create(`${JOURNAL}/${ENTRY}`, text, { mode: 'persistent-sequential' }).commit();
    this.#acknowledged.add(text);
    this.#world.count('guarded write');
  }

  /** Makes its node. */
  async open(client: {
    create(path: string, value: string, options: { idempotent: boolean }): Promise<unknown>;
  }): Promise<void> {
    await client.create(JOURNAL, '', { idempotent: true });
  }

  /** In the order of the journal tokens never go down, and what was acknowledged is there, once. */
  judge(): void {
    const world = this.#world;
    const names = world.children(JOURNAL).sort();
    const texts = names.map((name) => world.data(`${JOURNAL}/${name}`) as string);
    const tokens = texts.map((text) => BigInt(text.split(' ')[0]));
    tokens.forEach((token, i) => {
      const before = tokens[i - 1] ?? 0n;
      check(token >= before, 'fencing', () => `${texts[i]} was written after ${texts[i - 1]}`);
    });
    check(new Set(texts).size === texts.length, 'fencing', () => 'a guarded write has happened twice');
    const written = new Set(texts);
    const lost = [...this.#acknowledged].find((text) => !written.has(text));
    check(lost === undefined, 'fencing', () => `the write ${lost} was acknowledged and is not there`);
  }
}

/** Who was paused has to be given the time to notice what has come to pass meanwhile. */
export function canKnow(program: Program): boolean {
  const { isDead, pausedUntilMs, nowMs, world } = program;
  return !isDead && (pausedUntilMs === 0 || nowMs > pausedUntilMs + world.plan.sessionTimeoutMs);
}
