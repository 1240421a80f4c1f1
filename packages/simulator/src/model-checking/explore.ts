/** An ensemble of real machines as a space to be searched: where it begins, and what may happen in it. */
import { Configuration, ZAB_DEFAULTS, type ZabOptions } from '@treekeeper/server/internal';
import { type Beginning, type Budget, beginning, describe, type Ensemble, ensembleKey, Rules } from './ensemble.ts';
import { Locals } from './locals.ts';
import { type Limits, meet, type Search, search } from './search.ts';

export interface Scenario {
  readonly name: string;
  readonly servers: number;
  readonly budget: Budget;
  /** Null: servers that have never run. */
  readonly beginning: Beginning | null;
  /** Each packet travels by itself; false: what a server writes in a turn travels together. */
  readonly splits: boolean;
  readonly options: Partial<ZabOptions>;
}

export interface Report extends Search {
  /** Of single servers. */
  readonly localStates: number;
}

/** Nothing depends on how long anything takes: only the order counts. */
const TIMES = { tickTimeMs: 1000, initLimitTicks: 1, syncLimitTicks: 1 };

export function explore(scenario: Scenario, limits: Limits): Report {
  const { servers, budget, splits, options } = scenario;
  const configuration = membersOf(servers);
  const locals = new Locals({ ...ZAB_DEFAULTS, ...TIMES, ...options, serverId: 0, configuration });
  const rules = new Rules(locals, splits);
  const space = {
    first: beginning(locals, servers, budget, scenario.beginning),
    moves: (ensemble: Ensemble) => rules.moves(ensemble),
    keyOf: ensembleKey,
    describe,
    count,
  };
  return { ...search(space, limits), localStates: locals.count };
}

export function membersOf(servers: number): Configuration {
  const ids = Array.from({ length: servers }, (_, i) => i + 1);
  return Configuration.parse([...ids.map((id) => `server.${id}=s${id}:2888:3888:participant`), 'version=0'].join('\n'));
}

function count(met: Map<string, number>, before: Ensemble, after: Ensemble): void {
  meet(met, 'an epoch begins', after.chronicle.leaders.size > before.chronicle.leaders.size);
  meet(met, 'a transaction is delivered', after.chronicle.delivered.length > before.chronicle.delivered.length);
  const isSame = after.disks.map(({ snapshot }, i) => snapshot === before.disks[i].snapshot);
  meet(
    met,
    'a log is cut',
    after.disks.some(({ log }, i) => isSame[i] && log.length < before.disks[i].log.length),
  );
  meet(met, 'a snapshot takes the place of a history', isSame.includes(false));
}
