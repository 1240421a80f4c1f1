/** `npm run simulate -- --explore`: all states that small ensembles can get into, one scenario after the other. */
import { readOptions, runProgram } from '../arguments.ts';
import { exploreElections } from './elections.ts';
import { explore } from './explore.ts';
import { DEEP, DEEP_ELECTIONS, QUICK, QUICK_ELECTIONS } from './scenarios.ts';
import type { Limits, Search } from './search.ts';

const USAGE = `Usage: npm run simulate -- --explore [--seconds N] [--states N] [--seed N] [--scenario TEXT] [--quick]

  --seconds N      for all scenarios together; 60 unless told otherwise
  --states N       at most so many of each scenario, for they fill the memory; 2000000 unless told otherwise
  --seed N         says where to look first in what cannot be seen to its end; 1 unless told otherwise
  --scenario TEXT  those whose name has this in it
  --quick          the scenarios of npm test, which are seen to their end`;

const SECONDS_DEFAULT = 60;
const STATES_DEFAULT = 2_000_000;

/** A scenario of either kind. */
interface Exploration {
  readonly name: string;
  explore(limits: Limits): Search;
}

function explorations(isQuick: boolean): Exploration[] {
  const [scenarios, elections] = isQuick ? [QUICK, QUICK_ELECTIONS] : [DEEP, DEEP_ELECTIONS];
  return [
    ...elections.map((scenario) => ({
      name: scenario.name,
      explore: (limits: Limits) => exploreElections(scenario, limits),
    })),
    ...scenarios.map((scenario) => ({
      name: scenario.name,
      explore: (limits: Limits) => explore(scenario, limits),
    })),
  ];
}

interface Arguments {
  readonly seconds: number;
  readonly statesMax: number;
  readonly seed: number;
  readonly scenarios: readonly Exploration[];
}

function read(args: readonly string[]): Arguments {
  const given = readOptions(args, {
    explore: 'flag',
    seconds: 'number',
    states: 'number',
    seed: 'number',
    scenario: 'text',
    quick: 'flag',
  });
  const { seconds, states, seed, scenario, quick } = given;
  for (const name of ['seconds', 'states', 'seed'] as const) {
    if (given[name] === 0) {
      throw new Error(`--${name} is a number above 0`);
    }
  }
  const all = explorations(quick);
  const scenarios = all.filter(({ name }) => name.includes(scenario ?? ''));
  if (scenarios.length === 0) {
    const names = all.map(({ name }) => `  ${name}`).join('\n');
    throw new Error(`no scenario has ${JSON.stringify(scenario)} in its name; there are\n${names}`);
  }
  return { seconds: seconds ?? SECONDS_DEFAULT, statesMax: states ?? STATES_DEFAULT, seed: seed ?? 1, scenarios };
}

function describe({ name }: Exploration, result: Search, seconds: number): string {
  const { states, transitions, depth, isComplete, met } = result;
  const extent = isComplete ? 'all there are' : 'not all there are';
  const found = [...met].map(([what, count]) => `${what} ${count} times`).join(', ');
  return (
    `${name}: ${states} states, ${extent}; ${transitions} moves, runs of up to ${depth}, ` +
    `${seconds.toFixed(1)} s\n  ${found}`
  );
}

/** Returns the exit code. */
export function exploreScenarios(args: readonly string[]): Promise<number> {
  return runProgram(USAGE, args, read, exploreAll);
}

function exploreAll({ seconds, statesMax, seed, scenarios }: Arguments): boolean {
  let failed = 0;
  let leftMs = seconds * 1000;
  for (const [i, scenario] of scenarios.entries()) {
    const beganMs = performance.now();
    const untilMs = beganMs + leftMs / (scenarios.length - i); // what one leaves over, the others get
    const result = scenario.explore({ statesMax, seed, isEnough: () => performance.now() >= untilMs });
    const tookMs = performance.now() - beganMs;
    leftMs -= tookMs;
    console.log(describe(scenario, result, tookMs / 1000));
    const { finding } = result;
    if (finding !== null) {
      failed++;
      console.log(
        `${finding.violation.message}\n  ${finding.moves.join('\n  ')}\nbefore the last of these:\n${finding.state}`,
      );
    }
  }
  console.log(`${scenarios.length - failed} passed, ${failed} failed`);
  return failed === 0;
}
