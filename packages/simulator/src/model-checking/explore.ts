/** The search: every state that can be reached within a budget, each looked at once. */
import { Configuration, SeededRandom, ZAB_DEFAULTS, type ZabOptions } from '@treekeeper/server/internal';
import { Violation } from '../checkers/violation.ts';
import {
  type Beginning,
  type Budget,
  beginning,
  describe,
  type Ensemble,
  ensembleKey,
  type Move,
  Rules,
} from './ensemble.ts';
import { Locals } from './locals.ts';

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

export interface Limits {
  readonly statesMax: number;
  /** Asked now and then; true: enough. */
  isEnough?(states: number): boolean;
  /**
   * Null: the nearest states first, so that what is found is found on the shortest way. A number: deep down at once, in
   * directions drawn from this seed; what cannot be seen to its end is seen in all depths then.
   */
  readonly seed: number | null;
}

export interface Finding {
  readonly violation: Violation;
  /** What happened, from the beginning on. */
  readonly moves: readonly string[];
  /** The last state before it. */
  readonly state: string;
}

export interface Report {
  readonly finding: Finding | null;
  readonly states: number;
  readonly transitions: number;
  /** Of single servers. */
  readonly localStates: number;
  /** The longest run. */
  readonly depth: number;
  /** All states within the budget were seen. */
  readonly isComplete: boolean;
  /** What was met on the way: states in which something had been delivered, epochs led, and so on. */
  readonly met: ReadonlyMap<string, number>;
}

interface Visit {
  readonly ensemble: Ensemble;
  readonly before: Visit | null;
  readonly move: string;
  readonly depth: number;
}

/** Nothing depends on how long anything takes: only the order counts. */
const TIMES = { tickTimeMs: 1000, initLimitTicks: 1, syncLimitTicks: 1 };

export function explore(scenario: Scenario, limits: Limits): Report {
  const { servers, budget, splits, options } = scenario;
  const configuration = membersOf(servers);
  const locals = new Locals({ ...ZAB_DEFAULTS, ...TIMES, ...options, serverId: 0, configuration });
  const rules = new Rules(locals, splits);
  const first = { ensemble: beginning(locals, servers, budget, scenario.beginning), before: null, move: '', depth: 0 };
  const seen = new Set([hashOf(ensembleKey(first.ensemble))]);
  const met = new Map<string, number>();
  const frontier = limits.seed === null ? new Nearest(first) : new Deepest(first, limits.seed);
  let depth = 0;
  let transitions = 0;
  const report = (finding: Finding | null, isComplete: boolean): Report => {
    return { finding, states: seen.size, transitions, localStates: locals.count, depth, isComplete, met };
  };
  for (let visit = frontier.take(); visit !== null; visit = frontier.take()) {
    depth = Math.max(depth, visit.depth);
    for (const { name, make } of frontier.inOrder(rules.moves(visit.ensemble))) {
      let ensemble: Ensemble;
      try {
        ensemble = make();
      } catch (error) {
        return report(findingOf(visit, name, error), false);
      }
      transitions++;
      const hash = hashOf(ensembleKey(ensemble));
      if (!seen.has(hash)) {
        seen.add(hash);
        count(met, visit.ensemble, ensemble);
        frontier.put({ ensemble, before: visit, move: name, depth: visit.depth + 1 });
      }
    }
    if (seen.size >= limits.statesMax || limits.isEnough?.(seen.size)) {
      return report(null, false);
    }
  }
  return report(null, true);
}

/** States that have been reached, and not been gone on from. */
interface Frontier {
  put(visit: Visit): void;
  take(): Visit | null;
  inOrder(moves: Move[]): Move[];
}

class Nearest implements Frontier {
  #level: Visit[];
  #at = 0;
  #next: Visit[] = [];

  constructor(first: Visit) {
    this.#level = [first];
  }

  put(visit: Visit): void {
    this.#next.push(visit);
  }

  take(): Visit | null {
    if (this.#at === this.#level.length) {
      this.#level = this.#next;
      this.#next = [];
      this.#at = 0;
    }
    return this.#level[this.#at++] ?? null;
  }

  inOrder(moves: Move[]): Move[] {
    return moves;
  }
}

/** A run to its end; then back to the last fork, or now and then to any other. */
const ANYWHERE_EVERY = 64;

class Deepest implements Frontier {
  readonly #visits: Visit[];
  readonly #random: SeededRandom;

  constructor(first: Visit, seed: number) {
    this.#visits = [first];
    this.#random = new SeededRandom(seed);
  }

  put(visit: Visit): void {
    this.#visits.push(visit);
  }

  take(): Visit | null {
    const visits = this.#visits;
    if (this.#below(ANYWHERE_EVERY) === 0 && visits.length > 0) {
      this.#swap(visits, this.#below(visits.length), visits.length - 1);
    }
    return visits.pop() ?? null;
  }

  inOrder(moves: Move[]): Move[] {
    for (let i = moves.length - 1; i > 0; i--) {
      this.#swap(moves, i, this.#below(i + 1));
    }
    return moves;
  }

  #below(end: number): number {
    return Math.floor(this.#random.next() * end);
  }

  #swap<T>(list: T[], one: number, other: number): void {
    [list[one], list[other]] = [list[other], list[one]];
  }
}

function membersOf(servers: number): Configuration {
  const ids = Array.from({ length: servers }, (_, i) => i + 1);
  return Configuration.parse([...ids.map((id) => `server.${id}=s${id}:2888:3888:participant`), 'version=0'].join('\n'));
}

function count(met: Map<string, number>, before: Ensemble, after: Ensemble): void {
  const add = (what: string, isSo: boolean) => met.set(what, (met.get(what) ?? 0) + (isSo ? 1 : 0));
  add('an epoch begins', after.chronicle.leaders.size > before.chronicle.leaders.size);
  add('a transaction is delivered', after.chronicle.delivered.length > before.chronicle.delivered.length);
  const isSame = after.disks.map(({ snapshot }, i) => snapshot === before.disks[i].snapshot);
  add(
    'a log is cut',
    after.disks.some(({ log }, i) => isSame[i] && log.length < before.disks[i].log.length),
  );
  add('a snapshot takes the place of a history', isSame.includes(false));
}

function findingOf(visit: Visit, last: string, error: unknown): Finding {
  const moves = [last];
  for (let at: Visit = visit; at.before !== null; at = at.before) {
    moves.push(at.move);
  }
  if (error instanceof Error && error.name === 'AssertionFailure') {
    const violation = new Violation('assertion', error.message);
    return { violation, moves: moves.reverse(), state: describe(visit.ensemble) };
  }
  if (!(error instanceof Violation)) {
    throw new Error(`${moves.reverse().join('\n')}\n${describe(visit.ensemble)}`, { cause: error });
  }
  return { violation: error, moves: moves.reverse(), state: describe(visit.ensemble) };
}

const PRIME = 0x01000193;
const TWO_21 = 2 ** 21;

/** 53 bits: of ten million states, two are taken for one with a probability of one in 180. */
function hashOf(text: string): number {
  let one = 0x811c9dc5;
  let other = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    one = Math.imul(one ^ code, PRIME);
    other = Math.imul(other ^ (code + i), 0x5bd1e995);
    other ^= other >>> 15;
  }
  return (one >>> 0) * TWO_21 + ((other >>> 0) % TWO_21);
}
