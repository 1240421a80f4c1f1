/** Partitioner: an item has one owner at a time, and when nothing fails any more, each has one. */
import type { Client } from '@treekeeper/client';
import { type Ownership, Partitioner } from '@treekeeper/recipes';
import { check } from '../../checkers/violation.ts';
import { Journal } from '../journal.ts';
import type { Program } from '../program.ts';
import { isExpected, rounds, type Scenario, type ScenarioMaker } from '../scenario.ts';

const PATH = '/partitions';

export const partitionScenario: ScenarioMaker = (setting): Scenario => {
  const { world, dice } = setting;
  const programs = Array.from({ length: dice.between(2, 4) }, (_, i) => `owner${i + 1}`);
  const journals = new Map(
    Array.from({ length: dice.between(2, 5) }, (_, i) => [
      `item${i + 1}`,
      new Journal(world, { path: `/journal${i + 1}` }),
    ]),
  );
  const items = [...journals.keys()];
  const owned = new Map<string, Ownership>();

  const own = async (program: Program, ownership: Ownership): Promise<void> => {
    const { item, hold, signal } = ownership;
    const journal = journals.get(item) as Journal;
    journal.entered(program, hold);
    owned.set(item, ownership);
    world.count('item owned');
    try {
      // Half of them go on for a while when they should not.
      for (let late = dice.between(0, 1); !signal.aborted || late-- > 0; ) {
        await program.sleep(dice.between(0, 800));
        await journal.write(program, hold);
      }
    } catch (error) {
      if (!isExpected(error) || dice.chance(0.1)) {
        throw error;
      }
    }
  };

  /** As an operator does: whoever it is has to notice. */
  const removeMember = async (client: Client): Promise<void> => {
    if (!world.isHealed) {
      world.count('member removed');
      await client.delete(`${PATH}/members/${dice.pick(programs)}`).catch(() => undefined); // it was not there
    }
  };

  const round = async (program: Program, client: Client): Promise<void> => {
    for (const journal of journals.values()) {
      await journal.open(client);
    }
    const leaving = new AbortController();
    if (!world.isHealed && dice.chance(0.5)) {
      program.after(dice.between(0, 10_000), () => leaving.abort());
    }
    if (dice.chance(0.3)) {
      program.after(dice.between(0, 10_000), () => void removeMember(client));
    }
    const signal = AbortSignal.any([program.closing.signal, leaving.signal]);
    const partitioner = new Partitioner(client, PATH, { id: program.name, items });
    await partitioner.run((ownership) => own(program, ownership), { signal });
  };

  return {
    programs,
    main: (program) => rounds(program, setting, (client) => round(program, client)),
    missing() {
      const present = world.children(`${PATH}/members`).length;
      const orphans = items.filter((item) => owned.get(item)?.signal.aborted !== false);
      return present === programs.length && orphans.length === 0
        ? null
        : `owners of ${orphans.join(', ')}, with ${present} of ${programs.length} members there`;
    },
    judge() {
      const left = [`${PATH}/members`, ...items.map((item) => `${PATH}/items/${item}`)].flatMap((path) =>
        world.children(path),
      );
      check(left.length === 0, 'leftovers', () => `left: ${left.join(', ')}`);
      for (const journal of journals.values()) {
        journal.judge();
      }
    },
  };
};
