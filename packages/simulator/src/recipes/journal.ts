/** A log that every guarded write goes through, and who believes to hold what: the judges of mutual exclusion. */
import type { Client } from '@treekeeper/client';
import { isTreekeeperError } from '@treekeeper/client';
import type { Hold } from '@treekeeper/recipes';
import { check } from '../checkers/violation.ts';
import type { Program } from './program.ts';
import type { RecipeWorld } from './world.ts';

const ENTRY = 'entry-';

/** What is held, as far as the judges care. */
export type HeldThing = Pick<Hold, 'token' | 'node' | 'state' | 'guarded'>;

/** Who was let in. */
export interface Holder {
  readonly program: Program;
  readonly hold: HeldThing;
  /** Among any number of others who share. */
  readonly isShared: boolean;
}

export interface JournalOptions {
  /** How many may hold at a time. @default 1 */
  readonly holdersMax?: number;
  /** @default '/journal' */
  readonly path?: string;
}

export class Journal {
  readonly path: string;
  readonly #world: RecipeWorld;
  readonly #holdersMax: number;
  #holders: Holder[] = [];
  readonly #tokens = new Map<bigint, string>();
  readonly #acknowledged = new Set<string>();
  #writes = 0;

  constructor(world: RecipeWorld, { holdersMax = 1, path = '/journal' }: JournalOptions = {}) {
    this.#world = world;
    this.#holdersMax = holdersMax;
    this.path = path;
  }

  /** Somebody has been let in, with a token of its own. */
  entered(program: Program, hold: HeldThing, isShared = false): void {
    const token = this.#tokens.get(hold.token);
    check(token === undefined, 'tokens', () => `${program.name} and ${token} both got ${hold.token}`);
    this.#tokens.set(hold.token, program.name);
    this.holds(program, hold, isShared);
  }

  /** Somebody holds: nobody else may believe to do so, but for those who share, and whose program stands still. */
  holds(program: Program, hold: HeldThing, isShared = false): void {
    const world = this.#world;
    world.tell(() => `${program.name} holds ${hold.node}, token ${hold.token}`);
    this.#holders = this.#holders.filter((holder) => holder.hold.state !== 'lost' && holder.hold.state !== 'released');
    this.#holders.push({ program, hold, isShared });
    const sure = this.#holders.filter((holder) => holder.hold.state === 'held' && canKnow(holder.program));
    check(
      sure.length <= this.#holdersMax || sure.every((holder) => holder.isShared),
      'mutual exclusion',
      () => `${sure.map((holder) => `${holder.program.name} (${holder.hold.token})`).join(' and ')} hold at a time`,
    );
  }

  /** Writes into the journal under the hold's guard. */
  async write(program: Program, hold: HeldThing): Promise<void> {
    this.#writes++;
    const text = `${hold.token} ${this.#writes} ${program.name}`;
    await hold.guarded.transaction().create(`${this.path}/${ENTRY}`, text, { mode: 'persistent-sequential' }).commit();
    this.#acknowledged.add(text);
    this.#world.count('guarded write');
  }

  /** Makes its node. */
  async open(client: Client): Promise<void> {
    await ensure(client, this.path);
  }

  /** In the order of the journal tokens never go down, and what was acknowledged is there, once. */
  judge(): void {
    const world = this.#world;
    const names = world.children(this.path).sort();
    const texts = names.map((name) => world.data(`${this.path}/${name}`) as string);
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

/** Makes a node that may be there already. */
export async function ensure(client: Client, path: string, value = ''): Promise<void> {
  try {
    await client.create(path, value, { idempotent: true, createParents: true });
  } catch (error) {
    if (!isTreekeeperError(error, 'NODE_EXISTS')) {
      throw error;
    }
  }
}

/** Who was paused has to be given the time to notice what has come to pass meanwhile. */
export function canKnow(program: Program): boolean {
  const { isDead, pausedUntilMs, nowMs, world } = program;
  return !isDead && (pausedUntilMs === 0 || nowMs > pausedUntilMs + world.plan.sessionTimeoutMs);
}
