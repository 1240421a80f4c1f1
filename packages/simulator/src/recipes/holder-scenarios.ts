/** Locks, semaphores and elections: whoever is let in writes under guard. */
import type { Client } from '@treekeeper/client';
import { isTreekeeperError } from '@treekeeper/client';
import { Election, type Hold, Lock, Semaphore } from '@treekeeper/recipes';
import { check } from '../checkers/violation.ts';
import { Journal } from './journal.ts';
import type { Program } from './program.ts';
import { rounds, type Scenario, type ScenarioMaker, type Setting } from './scenario.ts';

const PATH = '/held/by-one';
const HOLDS_WANTED = 2;

interface HolderRecipe {
  readonly holdersMax: number;
  /** Where nodes may be that must be gone in the end. */
  readonly directories: readonly string[];
  admit(client: Client, program: Program, options: AdmitOptions): Promise<Hold>;
  readonly onTurn?: () => void;
}

interface AdmitOptions {
  readonly signal?: AbortSignal;
  readonly onDisconnect: 'lose' | 'wait';
}

export const lockScenario: ScenarioMaker = (setting) =>
  holders(setting, {
    holdersMax: 1,
    directories: [PATH],
    admit: (client, program, options) => new Lock(client, PATH).acquire({ ...options, data: program.name }),
  });

export const electionScenario: ScenarioMaker = (setting) =>
  holders(setting, {
    holdersMax: 1,
    directories: [PATH],
    admit: (client, program, options) => new Election(client, PATH).campaign({ ...options, data: program.name }),
  });

export const semaphoreScenario: ScenarioMaker = (setting) => {
  const leases = setting.dice.between(1, 3);
  const { world } = setting;
  return holders(setting, {
    holdersMax: leases,
    directories: [`${PATH}/locks`, `${PATH}/leases`],
    admit: (client, _program, options) => new Semaphore(client, PATH, { leases }).acquire(options),
    onTurn: () => {
      const given = world.children(`${PATH}/leases`).length;
      check(given <= leases, 'leases', () => `${given} leases are given, of ${leases}`);
    },
  });
};

function holders(setting: Setting, recipe: HolderRecipe): Scenario {
  const { world, dice } = setting;
  const journal = new Journal(world, recipe.holdersMax);
  const programs = Array.from({ length: dice.between(2, 5) }, (_, i) => `holder${i + 1}`);
  const held = new Map(programs.map((name) => [name, 0]));
  let wanted: Map<string, number> | null = null;

  const round = async (program: Program, client: Client): Promise<void> => {
    await journal.open(client).catch((error: unknown) => {
      if (!isTreekeeperError(error, 'NODE_EXISTS')) {
        throw error;
      }
    });
    await program.sleep(dice.between(0, 500));
    const controller = new AbortController();
    if (dice.chance(0.3)) {
      program.after(dice.between(0, 3000), () => controller.abort());
    }
    const onDisconnect = dice.pick(['lose', 'wait'] as const);
    const hold = await recipe.admit(client, program, { signal: controller.signal, onDisconnect });
    journal.entered(program, hold);
    held.set(program.name, (held.get(program.name) ?? 0) + 1);
    world.count('hold');
    try {
      for (let writes = dice.between(0, 3); writes > 0; writes--) {
        await program.sleep(dice.between(0, 600));
        // Half of them do not listen, and write on.
        if (hold.signal.aborted && dice.chance(0.5)) {
          break;
        }
        await journal.write(program, hold);
      }
    } finally {
      await hold.release();
    }
  };

  return {
    programs,
    main: (program) => rounds(program, setting, (client) => round(program, client)),
    onTurn: recipe.onTurn,
    missing() {
      wanted ??= new Map([...held].map(([name, count]) => [name, count + HOLDS_WANTED]));
      const waiting = programs.filter((name) => (held.get(name) ?? 0) < (wanted?.get(name) ?? 0));
      return waiting.length === 0 ? null : `${waiting.join(', ')} to be let in`;
    },
    judge() {
      for (const directory of recipe.directories) {
        const left = world.children(directory).filter((name) => name !== 'locks' && name !== 'leases');
        check(left.length === 0, 'leftovers', () => `left in ${directory}: ${left.join(', ')}`);
      }
      if (recipe.holdersMax === 1) {
        journal.judge();
      }
    },
  };
}
