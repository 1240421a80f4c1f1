/** Read and write: a writer is alone, and what a reader has read stays so while it holds. */
import { type Client, utf8 } from '@treekeeper/client';
import { type Hold, ReadWriteLock, type WriteHold } from '@treekeeper/recipes';
import { check } from '../../checkers/violation.ts';
import { ensure, Journal } from '../journal.ts';
import type { Program } from '../program.ts';
import { Quota } from '../quota.ts';
import { rounds, type Scenario, type ScenarioMaker } from '../scenario.ts';

const PATH = '/shared';
/** Read, and then written one higher: the number of guarded writes, unless one of them was based on an old one. */
const COUNT = '/count';
const WRITES = '/writes';

export const readWriteScenario: ScenarioMaker = (setting): Scenario => {
  const { world, dice } = setting;
  const journal = new Journal(world);
  const programs = Array.from({ length: dice.between(2, 5) }, (_, i) => `holder${i + 1}`);
  const held = new Quota(programs);

  const read = async (program: Program, client: Client, hold: Hold): Promise<void> => {
    const count = async () => (await client.get(COUNT, { codec: utf8 })).value;
    const before = await count();
    await program.sleep(dice.between(0, 800));
    const after = await count();
    const isSteady = hold.state !== 'held' || before === after;
    check(isSteady, 'steady reads', () => `${program.name} has read ${before}, and then ${after}`);
    world.count('steady read');
  };

  const write = async (program: Program, client: Client, hold: WriteHold): Promise<void> => {
    const { value } = await client.get(COUNT, { codec: utf8 });
    await program.sleep(dice.between(0, 600));
    await hold.guarded
      .transaction()
      .set(COUNT, String(Number(value) + 1))
      .create(`${WRITES}/write-`, program.name, { mode: 'persistent-sequential' })
      .commit();
    world.count('guarded write');
    if (dice.chance(0.5)) {
      await using shared = await hold.downgrade();
      journal.holds(program, shared, true);
      await read(program, client, shared);
    }
  };

  const round = async (program: Program, client: Client): Promise<void> => {
    await ensure(client, COUNT, '0');
    await ensure(client, WRITES);
    await program.sleep(dice.between(0, 500));
    const controller = new AbortController();
    if (dice.chance(0.2)) {
      program.after(dice.between(0, 3000), () => controller.abort());
    }
    const options = { signal: controller.signal, onDisconnect: dice.pick(['lose', 'wait'] as const) };
    const lock = new ReadWriteLock(client, PATH);
    const isReader = dice.chance(0.5);
    if (isReader) {
      await using hold = await lock.read(options);
      journal.entered(program, hold, true);
      await read(program, client, hold);
    } else {
      await using hold = await lock.write(options);
      journal.entered(program, hold);
      await write(program, client, hold);
    }
    held.got(program.name);
  };

  return {
    programs,
    main: (program) => rounds(program, setting, (client) => round(program, client)),
    missing() {
      const waiting = held.waiting();
      return waiting.length === 0 ? null : `${waiting.join(', ')} to be let in`;
    },
    judge() {
      const left = world.children(PATH);
      check(left.length === 0, 'leftovers', () => `left: ${left.join(', ')}`);
      const [count, writes] = [Number(world.data(COUNT)), world.children(WRITES).length];
      check(count === writes, 'fencing', () => `after ${writes} writes the count is ${count}`);
    },
  };
};
