/** Two-phase commit: one decision that everybody learns, `commit` only if all have voted so. */
import type { Client } from '@treekeeper/client';
import { TwoPhaseCommit, type Vote } from '@treekeeper/recipes';
import { check } from '../../checkers/violation.ts';
import type { Program } from '../program.ts';
import { rounds, type Scenario, type ScenarioMaker } from '../scenario.ts';

const PATH = '/decisions';
const DECISIONS_MAX = 25;
const COORDINATOR = 'coordinator';

export const decisionScenario: ScenarioMaker = (setting): Scenario => {
  const { world, dice } = setting;
  const participants = Array.from({ length: dice.between(2, 4) }, (_, i) => `voter${i + 1}`);
  /** Who has learned what, by the decision's name. */
  const learned = new Map<string, Map<string, Vote>>();
  /** Given up by the coordinator, or perhaps. */
  const givenUp = new Set<string>();
  let begun = 0;

  const learn = (program: Program, name: string, decision: Vote): void => {
    const node = `${PATH}/${name}`;
    const known = learned.get(name) ?? new Map<string, Vote>();
    learned.set(name, known.set(program.name, decision));
    const all = [...known].map(([who, what]) => `${who} ${what}`);
    check(new Set(known.values()).size === 1, 'one decision', () => `${name}: ${all.join(', ')}`);
    const votes = participants.map((who) => world.data(`${node}/vote-${who}`));
    const isGrounded =
      decision === 'commit' ? votes.every((vote) => vote === 'commit') : votes.includes('abort') || givenUp.has(name);
    check(isGrounded, 'all or none', () => `${name} is ${decision} on the votes ${votes.join(', ')}`);
    world.count(decision);
  };

  const coordinate = async (program: Program, client: Client): Promise<void> => {
    await program.sleep(dice.between(0, 2000));
    if (world.isHealed || begun === DECISIONS_MAX) {
      return;
    }
    const name = String(++begun);
    const commit = new TwoPhaseCommit(client, `${PATH}/${name}`);
    await commit.begin(participants);
    if (dice.chance(0.2)) {
      await program.sleep(dice.between(0, 1000));
      givenUp.add(name);
      learn(program, name, await commit.abort());
    }
  };

  const vote = async (program: Program, client: Client): Promise<void> => {
    await program.sleep(dice.between(0, 400));
    const [name] = undecidedFor(program.name);
    if (name !== undefined) {
      const commit = new TwoPhaseCommit(client, `${PATH}/${name}`);
      const wanted = dice.chance(0.9) ? 'commit' : 'abort';
      learn(program, name, await commit.vote(program.name, wanted, { signal: program.closing.signal }));
    }
  };

  const undecidedFor = (who: string): string[] =>
    world
      .children(PATH)
      .filter((name) => learned.get(name)?.has(who) !== true)
      .sort((a, b) => Number(a) - Number(b));

  return {
    programs: [COORDINATOR, ...participants],
    main: (program) =>
      rounds(program, setting, (client) =>
        program.name === COORDINATOR ? coordinate(program, client) : vote(program, client),
      ),
    missing() {
      const waiting = participants.flatMap((who) => undecidedFor(who).map((name) => `${who} of ${name}`));
      return waiting.length === 0 ? null : `to be learned by ${waiting.join(', ')}`;
    },
    judge() {
      for (const [name, known] of learned) {
        const recorded = world.data(`${PATH}/${name}/decision`);
        const isSo = [...known.values()].every((decision) => decision === recorded);
        check(isSo, 'one decision', () => `${name} is ${recorded} now, and was ${[...known.values()].join(', ')}`);
      }
    },
  };
};
