/** The queue: what was offered is done, taken off once, and taken in the order of the offers. */
import type { Client } from '@treekeeper/client';
import { Queue } from '@treekeeper/recipes';
import { check } from '../../checkers/violation.ts';
import { canKnow, type HeldThing } from '../journal.ts';
import type { Program } from '../program.ts';
import { rounds, type Scenario, type ScenarioMaker } from '../scenario.ts';

const PATH = '/queue';
const ITEMS_MAX = 60;

export const queueScenario: ScenarioMaker = (setting): Scenario => {
  const { world, dice } = setting;
  const takers = dice.between(1, 3);
  const offered = new Set<string>();
  const taken = new Set<string>();
  /** Items of which leases have been seen, and the last of them. */
  const leased = new Set<string>();
  let lastLeased = '';
  const leases = new Map<string, { readonly program: Program; readonly hold: HeldThing }>();
  let named = 0;
  let offering: Program | null = null;

  const offer = async (program: Program, client: Client): Promise<void> => {
    await program.sleep(dice.between(0, 600));
    if (named < ITEMS_MAX && !world.isHealed) {
      const value = String(++named);
      offering = program;
      await new Queue(client, PATH).offer(value).finally(() => {
        offering = null;
      });
      offered.add(value);
      world.count('item offered');
    }
  };

  const take = async (program: Program, client: Client): Promise<void> => {
    await using lease = await new Queue(client, PATH).take({ signal: program.closing.signal });
    const { value, hold } = lease;
    const other = leases.get(value);
    const isTwice = other !== undefined && other.hold.state === 'held' && canKnow(other.program);
    check(!isTwice, 'mutual exclusion', () => `${other?.program.name} and ${program.name} both have ${value}`);
    leases.set(value, { program, hold });
    taken.add(value);
    await program.sleep(dice.between(0, 800));
    if (dice.chance(0.9)) {
      await lease.done();
      world.count('item done');
    }
  };

  return {
    programs: ['offerer', ...Array.from({ length: takers }, (_, i) => `taker${i + 1}`)],
    main: (program) =>
      rounds(program, setting, (client) =>
        program.name === 'offerer' ? offer(program, client) : take(program, client),
      ),
    onTurn() {
      const news = world.children(`${PATH}/leases`).filter((name) => !leased.has(name));
      for (const name of news.sort()) {
        check(name > lastLeased, 'queue order', () => `${name} was given out first after ${lastLeased}`);
        lastLeased = name;
        leased.add(name);
      }
    },
    // Whoever was killed before it had the answer may have done it: then it is off the queue.
    missing: () => {
      const left = world.children(PATH).flatMap((folder) => world.children(`${PATH}/${folder}`));
      const isOffering = offering !== null && !offering.isDead;
      return left.length === 0 && !isOffering ? null : `${left.length} nodes in the queue, or an offer`;
    },
    judge() {
      const lost = [...offered].find((value) => !taken.has(value));
      check(lost === undefined, 'queue', () => `${lost} was offered, and never taken`);
    },
  };
};
