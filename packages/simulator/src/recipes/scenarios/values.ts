/** Counter, id generator and atomic value: no change is lost or made twice, no number is given twice. */
import { type Client, json } from '@treekeeper/client';
import { AtomicValue, Counter, IdGenerator, isRecipeError } from '@treekeeper/recipes';
import { check } from '../../checkers/violation.ts';
import type { Program } from '../program.ts';
import { Quota } from '../quota.ts';
import { rounds, type Scenario, type ScenarioMaker } from '../scenario.ts';

const COUNTER = '/counter';
const LIST = '/list';
const IDS = '/ids';

export const valueScenario: ScenarioMaker = (setting): Scenario => {
  const { world, dice } = setting;
  const programs = Array.from({ length: dice.between(2, 5) }, (_, i) => `counter${i + 1}`);
  const counted = new Quota(programs);
  const sums = new Set<bigint>();
  const ids = new Set<bigint>();
  const appended = new Set<string>();
  const generators = new WeakMap<Client, IdGenerator>();
  let additions = 0;
  let entries = 0;

  const add = async (program: Program, client: Client): Promise<void> => {
    additions++;
    const sum = await new Counter(client, COUNTER).add();
    check(!sums.has(sum), 'counting', () => `${program.name} has counted to ${sum}, as another before`);
    sums.add(sum);
  };

  const take = async (program: Program, client: Client): Promise<void> => {
    const generator = generators.get(client) ?? new IdGenerator(client, IDS, { blockSize: 3 });
    generators.set(client, generator);
    const id = await generator.next();
    check(!ids.has(id), 'ids', () => `${program.name} was given ${id}, as another before`);
    ids.add(id);
  };

  const append = async (program: Program, client: Client): Promise<void> => {
    const entry = `${program.name}-${++entries}`;
    const list = new AtomicValue(client, LIST, { codec: json<string[]>(), initial: [] });
    await list.update((before) => [...before, entry]);
    appended.add(entry);
  };

  const round = async (program: Program, client: Client): Promise<void> => {
    await program.sleep(dice.between(0, 400));
    try {
      await dice.pick([add, take, append])(program, client);
      counted.got(program.name);
      world.count('value changed');
    } catch (error) {
      if (!isRecipeError(error, 'CONFLICT')) {
        throw error;
      }
    }
  };

  return {
    programs,
    main: (program) => rounds(program, setting, (client) => round(program, client)),
    missing() {
      const waiting = counted.waiting();
      return waiting.length === 0 ? null : `${waiting.join(', ')} to change something`;
    },
    judge() {
      // What was sent, and whose answer was lost, may have happened or not.
      const sum = Number(world.data(COUNTER) ?? 0);
      const isPossible = sum >= sums.size && sum <= additions;
      check(isPossible, 'counting', () => `${sum} after ${sums.size} of ${additions} additions were answered`);
      const list: string[] = JSON.parse(world.data(LIST) ?? '[]');
      check(new Set(list).size === list.length, 'values', () => 'a change was made twice');
      const lost = [...appended].find((entry) => !list.includes(entry));
      check(lost === undefined, 'values', () => `the change of ${lost} was answered, and is lost`);
    },
  };
};
