/** Membership: when nothing fails any more, everybody sees all who are there, with their latest data. */
import type { Client } from '@treekeeper/client';
import { type Live, type Member, Membership } from '@treekeeper/recipes';
import { check } from '../checkers/violation.ts';
import type { Program } from './program.ts';
import { rounds, type Scenario, type ScenarioMaker } from './scenario.ts';

const PATH = '/group';

type View = Live<ReadonlyMap<string, Member<string>>>;

export const membershipScenario: ScenarioMaker = (setting): Scenario => {
  const { world, dice } = setting;
  const programs = Array.from({ length: dice.between(2, 5) }, (_, i) => `member${i + 1}`);
  const views = new Map<string, View>();
  const latest = new Map<string, string>();
  let published = 0;

  const round = async (program: Program, client: Client): Promise<void> => {
    const { name } = program;
    const group = new Membership(client, PATH);
    await using view = await group.members();
    views.set(name, view);
    const next = (): string => {
      const data = `${name}-${++published}`;
      latest.set(name, data);
      return data;
    };
    await using self = await group.join(name, next(), { signal: program.closing.signal });
    while (!world.isClosing && !self.signal.aborted && client.state !== 'closed' && client.state !== 'expired') {
      await program.sleep(dice.between(0, 1000));
      if (!world.isHealed) {
        if (dice.chance(0.1)) {
          return; // leaves
        }
        await self.update(next());
        world.count('member updated');
      }
    }
  };

  /** What a view lacks, or has that is not there. */
  const difference = (viewer: string, current: ReadonlyMap<string, Member<string>>): string | null => {
    const wrong = programs.find((name) => current.get(name)?.data !== latest.get(name));
    return wrong === undefined
      ? null
      : `${viewer} sees ${wrong} with ${current.get(wrong)?.data}, not ${latest.get(wrong)}`;
  };

  return {
    programs,
    main: (program) => rounds(program, setting, (client) => round(program, client)),
    missing() {
      const absent = programs.find((name) => world.data(`${PATH}/${name}`) !== latest.get(name));
      if (absent !== undefined) {
        return `${absent} in the group, with ${latest.get(absent)}`;
      }
      const wrong = programs.map((name) => difference(name, views.get(name)?.current ?? new Map()));
      return wrong.find((text) => text !== null) ?? null;
    },
    judge() {
      const left = world.children(PATH);
      check(left.length === 0, 'leftovers', () => `left in the group: ${left.join(', ')}`);
    },
  };
};
