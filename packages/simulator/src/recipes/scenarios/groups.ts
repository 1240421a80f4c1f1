/** Groups and services: when nothing fails any more, everybody sees all who are there, with their latest data. */
import type { Client } from '@treekeeper/client';
import { Membership, Services } from '@treekeeper/recipes';
import { check } from '../../checkers/violation.ts';
import type { Program } from '../program.ts';
import { rounds, type Scenario, type ScenarioMaker, type Setting, unlessFailed } from '../scenario.ts';

/** One's own place in the group. */
interface Place extends AsyncDisposable {
  readonly signal: AbortSignal;
  update(data: string): Promise<void>;
}

/** What there is in the group, as one of them sees it. */
interface View extends AsyncDisposable {
  dataOf(name: string): string | undefined;
}

interface GroupRecipe {
  /** Where the group's nodes are. */
  readonly path: string;
  view(client: Client): Promise<View>;
  join(client: Client, program: Program, data: string): Promise<Place>;
  /** What a node holds, as told to others. */
  dataIn(text: string): string;
}

export const membershipScenario: ScenarioMaker = (setting) =>
  group(setting, {
    path: '/group',
    async view(client) {
      const members = await new Membership(client, '/group').members();
      return {
        dataOf: (name) => unlessFailed(() => members.current.get(name)?.data),
        [Symbol.asyncDispose]: () => members.close(),
      };
    },
    join: (client, { name, closing }, data) =>
      new Membership(client, '/group').join(name, data, { signal: closing.signal }),
    dataIn: (text) => text,
  });

export const serviceScenario: ScenarioMaker = (setting) =>
  group(setting, {
    path: '/services/shop',
    async view(client) {
      const directory = await new Services<string>(client, '/services').directory('shop');
      return {
        dataOf: (name) => unlessFailed(() => directory.current.find(({ id }) => id === name)?.metadata),
        [Symbol.asyncDispose]: () => directory.close(),
      };
    },
    async join(client, { name }, metadata) {
      const instance = { id: name, address: 'localhost', port: 80, metadata };
      const self = await new Services<string>(client, '/services').register('shop', instance);
      return {
        signal: self.signal,
        update: (data) => self.update({ metadata: data }),
        [Symbol.asyncDispose]: () => self.unregister(),
      };
    },
    dataIn: (text) => (JSON.parse(text) as { readonly payload: string }).payload,
  });

function group(setting: Setting, recipe: GroupRecipe): Scenario {
  const { world, dice } = setting;
  const programs = Array.from({ length: dice.between(2, 5) }, (_, i) => `member${i + 1}`);
  const views = new Map<string, View>();
  const latest = new Map<string, string>();
  let published = 0;

  const round = async (program: Program, client: Client): Promise<void> => {
    const { name } = program;
    await using view = await recipe.view(client);
    views.set(name, view);
    const next = (): string => {
      const data = `${name}-${++published}`;
      latest.set(name, data);
      return data;
    };
    await using self = await recipe.join(client, program, next());
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
  const difference = (viewer: string): string | null => {
    const view = views.get(viewer);
    const wrong = programs.find((name) => view?.dataOf(name) !== latest.get(name));
    return wrong === undefined ? null : `${viewer} sees ${wrong} with ${view?.dataOf(wrong)}, not ${latest.get(wrong)}`;
  };

  return {
    programs,
    main: (program) => rounds(program, setting, (client) => round(program, client)),
    missing() {
      const absent = programs.find((name) => {
        const text = world.data(`${recipe.path}/${name}`);
        return text === null || recipe.dataIn(text) !== latest.get(name);
      });
      if (absent !== undefined) {
        return `${absent} in the group, with ${latest.get(absent)}`;
      }
      return programs.map(difference).find((text) => text !== null) ?? null;
    },
    judge() {
      const left = world.children(recipe.path);
      check(left.length === 0, 'leftovers', () => `left in the group: ${left.join(', ')}`);
    },
  };
}
