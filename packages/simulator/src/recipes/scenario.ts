/** What programs do in a run, and what must be so whatever happens to them. */
import type { Client } from '@treekeeper/client';
import { isTreekeeperError } from '@treekeeper/client';
import { isRecipeError } from '@treekeeper/recipes';
import type { Dice } from '../dice.ts';
import type { Program } from './program.ts';
import type { RecipeWorld } from './world.ts';

export interface Scenario {
  /** The programs' names. */
  readonly programs: readonly string[];
  /** What a program does, again after each start, until the world is closing. */
  main(program: Program): Promise<void>;
  /** After each turn of the server. Throws Violation. */
  readonly onTurn?: (() => void) | undefined;
  /** Without faults everybody gets on: what is still to come; null: nothing. */
  missing(): string | null;
  /** Everybody is at rest, and who was killed is forgotten. Throws Violation. */
  judge(): void;
}

/** What a scenario is made of. */
export interface Setting {
  readonly world: RecipeWorld;
  readonly dice: Dice;
  readonly planted: Planted;
}

/** Bugs that the judges have to find. */
export interface Planted {
  /** What programs use in place of their client. */
  readonly client?: (client: Client, world: RecipeWorld) => Client;
  /** A handler of tasks whose effect does not happen with the result. */
  readonly looseEffects?: boolean;
  /** How much longer than it should be the interval of a job is. */
  readonly jobLateMs?: number;
}

export type ScenarioMaker = (setting: Setting) => Scenario;

const EXPECTED_OF_CLIENTS = [
  'ABORTED',
  'SESSION_EXPIRED',
  'CLOSED',
  'CONNECTION_LOSS',
  'TIMEOUT',
  'NOT_READ_ONLY',
] as const;

/** What faults may bring about; anything else that a recipe rejects with is a bug. */
export function isExpected(error: unknown): boolean {
  return (
    EXPECTED_OF_CLIENTS.some((code) => isTreekeeperError(error, code)) ||
    isRecipeError(error, 'FENCED') ||
    isRecipeError(error, 'LOST')
  );
}

/** Repeats rounds with clients that follow one another as sessions expire; those of some programs renew themselves. */
export async function rounds(
  program: Program,
  { dice, planted }: Setting,
  round: (client: Client) => Promise<void>,
): Promise<void> {
  const { world } = program;
  const onExpired = dice.chance(0.5) ? 'new-session' : 'close';
  while (!world.isClosing) {
    const connected = await program.connect({ onExpired });
    const client = planted.client?.(connected, world) ?? connected;
    while (!world.isClosing && client.state !== 'closed' && client.state !== 'expired') {
      try {
        await round(client);
      } catch (error) {
        if (!isExpected(error)) {
          throw error;
        }
        await program.sleep(dice.between(0, 50));
      }
    }
    // The last one stays: with its session everything would go that should have gone before.
    if (!world.isClosing) {
      await client.close();
    }
  }
}

/** Looks at what a client keeps up to date; undefined when that has failed: the next round has another one. */
export function unlessFailed<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (!isExpected(error)) {
      throw error;
    }
    return undefined;
  }
}
