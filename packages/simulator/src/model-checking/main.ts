/** `npm run simulate -- --explore`: all states that small ensembles can get into, one scenario after the other. */
import { parseArgs } from 'node:util';
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

/** Null: help was asked for. Throws Error for what cannot be understood. */
function parse(args: readonly string[]): Arguments | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      explore: { type: 'boolean' },
      seconds: { type: 'string', default: String(SECONDS_DEFAULT) },
      states: { type: 'string', default: String(STATES_DEFAULT) },
      seed: { type: 'string', default: '1' },
      scenario: { type: 'string', default: '' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  for (const name of ['seconds', 'states', 'seed'] as const) {
    if (!/^[1-9][0-9]{0,8}$/.test(values[name])) {
      throw new Error(`--${name} is a number above 0, not ${JSON.stringify(values[name])}`);
    }
  }
  const all = explorations(values.quick);
  const scenarios = all.filter(({ name }) => name.includes(values.scenario));
  if (scenarios.length === 0) {
    const names = all.map(({ name }) => `  ${name}`).join('\n');
    throw new Error(`no scenario has ${JSON.stringify(values.scenario)} in its name; there are\n${names}`);
  }
  return values.help
    ? null
    : { seconds: Number(values.seconds), statesMax: Number(values.states), seed: Number(values.seed), scenarios };
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
export function exploreScenarios(args: readonly string[]): number {
  let given: Arguments | null;
  try {
    given = parse(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (given === null) {
    console.log(USAGE);
    return 0;
  }
  const { seconds, statesMax, seed, scenarios } = given;
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
  return failed === 0 ? 0 : 1;
}
