/** Locks, semaphores and elections: whoever is let in writes under guard. */
import type { Client } from '@treekeeper/client';
import {
  Election,
  type Hold,
  Lock,
  type MultiHold,
  MultiLock,
  ReadWriteLock,
  Semaphore,
  TryLock,
} from '@treekeeper/recipes';
import { check } from '../../checkers/violation.ts';
import { type HeldThing, Journal } from '../journal.ts';
import type { Program } from '../program.ts';
import { Quota } from '../quota.ts';
import { rounds, type Scenario, type ScenarioMaker, type Setting } from '../scenario.ts';

const PATH = '/held/by-one';
/** Taken besides, by who wants several. */
const OTHERS = ['/held/another', '/held/third'];

type Admitted = HeldThing & Pick<Hold, 'signal' | 'release'>;

interface HolderRecipe {
  readonly holdersMax: number;
  /** Where nodes may be that must be gone in the end. */
  readonly directories: readonly string[];
  admit(client: Client, program: Program, options: AdmitOptions): Promise<Admitted>;
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

type Admit = HolderRecipe['admit'];

/** What admits one at a time, and knows programs across their restarts. */
const withIdentity: readonly Admit[] = [
  (client, { name }, options) => new Lock(client, PATH, { identity: name }).acquire(options),
  (client, { name }, options) => new ReadWriteLock(client, PATH, { identity: name }).write(options),
  (client, { name }, options) => new TryLock(client, PATH, { identity: name }).acquire(options),
  (client, { name }, options) => new Semaphore(client, PATH, { identity: name, leases: 1 }).acquire(options),
  (client, { name }, options) => new Election(client, PATH, { identity: name }).campaign({ ...options, data: name }),
  async (client, { name }, options) =>
    asOne(PATH, await new MultiLock(client, [...OTHERS, PATH], { identity: name }).acquire(options)),
];

/** A program that starts again does not wait for the session that it had before. */
export const identityScenario: ScenarioMaker = (setting) =>
  holders(setting, {
    holdersMax: 1,
    directories: [PATH, `${PATH}/locks`, `${PATH}/leases`, ...OTHERS],
    admit: setting.dice.pick(withIdentity),
  });

export const tryLockScenario: ScenarioMaker = (setting) =>
  holders(setting, {
    holdersMax: 1,
    directories: [PATH],
    admit: (client, program, options) => new TryLock(client, PATH).acquire({ ...options, data: program.name }),
  });

/** Each names its locks in another order; one of them is everybody's. */
export const multiLockScenario: ScenarioMaker = (setting) =>
  holders(setting, {
    holdersMax: 1,
    directories: [PATH, ...OTHERS],
    admit: async (client, _program, options) => {
      const paths = setting.dice.chance(0.5) ? [...OTHERS, PATH] : [PATH, setting.dice.pick(OTHERS)];
      return asOne(PATH, await new MultiLock(client, paths).acquire(options));
    },
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

/** Several locks, as the hold of one of them. */
function asOne(path: string, all: MultiHold): Admitted {
  return {
    token: all.tokenOf(path),
    node: path,
    guarded: all.guarded,
    get signal() {
      return all.signal;
    },
    get state() {
      return all.signal.aborted ? 'lost' : 'held';
    },
    release: () => all.release(),
  };
}

function holders(setting: Setting, recipe: HolderRecipe): Scenario {
  const { world, dice } = setting;
  const journal = new Journal(world, recipe);
  const programs = Array.from({ length: dice.between(2, 5) }, (_, i) => `holder${i + 1}`);
  const held = new Quota(programs);

  const round = async (program: Program, client: Client): Promise<void> => {
    await journal.open(client);
    await program.sleep(dice.between(0, 500));
    const controller = new AbortController();
    if (dice.chance(0.3)) {
      program.after(dice.between(0, 3000), () => controller.abort());
    }
    const onDisconnect = dice.pick(['lose', 'wait'] as const);
    const hold = await recipe.admit(client, program, { signal: controller.signal, onDisconnect });
    journal.entered(program, hold);
    held.got(program.name);
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
      const waiting = held.waiting();
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
