/** The search: every state that can be reached, each looked at once. */
import { SeededRandom } from '@treekeeper/server/internal';
import { Violation } from '../checkers/violation.ts';

/** What is searched: states are values, and moves make others. */
export interface Space<State> {
  readonly first: State;
  moves(state: State): Move<State>[];
  /** The same for states that are the same, whatever led to them. */
  keyOf(state: State): string;
  describe(state: State): string;
  /** A new state has been reached: counts what it has met. */
  count(met: Map<string, number>, before: State, after: State): void;
}

export interface Move<State> {
  readonly name: string;
  /** Throws Violation when that must not be. */
  make(): State;
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

export interface Search {
  readonly finding: Finding | null;
  readonly states: number;
  readonly transitions: number;
  /** The longest run. */
  readonly depth: number;
  /** All states were seen. */
  readonly isComplete: boolean;
  /** What was met on the way, and how often. */
  readonly met: ReadonlyMap<string, number>;
}

interface Visit<State> {
  readonly state: State;
  readonly before: Visit<State> | null;
  readonly move: string;
  readonly depth: number;
}

export function search<State>(space: Space<State>, limits: Limits): Search {
  const first = { state: space.first, before: null, move: '', depth: 0 };
  const seen = new Set([hashOf(space.keyOf(space.first))]);
  const met = new Map<string, number>();
  const frontier = limits.seed === null ? new Nearest<State>(first) : new Deepest<State>(first, limits.seed);
  let depth = 0;
  let transitions = 0;
  const result = (finding: Finding | null, isComplete: boolean): Search => {
    return { finding, states: seen.size, transitions, depth, isComplete, met };
  };
  for (let visit = frontier.take(); visit !== null; visit = frontier.take()) {
    depth = Math.max(depth, visit.depth);
    for (const { name, make } of frontier.inOrder(space.moves(visit.state))) {
      let state: State;
      try {
        state = make();
      } catch (error) {
        return result(findingOf(space, visit, name, error), false);
      }
      transitions++;
      const hash = hashOf(space.keyOf(state));
      if (!seen.has(hash)) {
        seen.add(hash);
        space.count(met, visit.state, state);
        frontier.put({ state, before: visit, move: name, depth: visit.depth + 1 });
      }
    }
    if (seen.size >= limits.statesMax || limits.isEnough?.(seen.size)) {
      return result(null, false);
    }
  }
  return result(null, true);
}

/** Adds to what was met. */
export function meet(met: Map<string, number>, what: string, isSo: boolean): void {
  met.set(what, (met.get(what) ?? 0) + (isSo ? 1 : 0));
}

/** States that have been reached, and not been gone on from. */
interface Frontier<State> {
  put(visit: Visit<State>): void;
  take(): Visit<State> | null;
  inOrder(moves: Move<State>[]): Move<State>[];
}

class Nearest<State> implements Frontier<State> {
  #level: Visit<State>[];
  #at = 0;
  #next: Visit<State>[] = [];

  constructor(first: Visit<State>) {
    this.#level = [first];
  }

  put(visit: Visit<State>): void {
    this.#next.push(visit);
  }

  take(): Visit<State> | null {
    if (this.#at === this.#level.length) {
      this.#level = this.#next;
      this.#next = [];
      this.#at = 0;
    }
    return this.#level[this.#at++] ?? null;
  }

  inOrder(moves: Move<State>[]): Move<State>[] {
    return moves;
  }
}

/** A run to its end; then back to the last fork, or now and then to any other. */
const ANYWHERE_EVERY = 64;

class Deepest<State> implements Frontier<State> {
  readonly #visits: Visit<State>[];
  readonly #random: SeededRandom;

  constructor(first: Visit<State>, seed: number) {
    this.#visits = [first];
    this.#random = new SeededRandom(seed);
  }

  put(visit: Visit<State>): void {
    this.#visits.push(visit);
  }

  take(): Visit<State> | null {
    const visits = this.#visits;
    if (this.#below(ANYWHERE_EVERY) === 0 && visits.length > 0) {
      this.#swap(visits, this.#below(visits.length), visits.length - 1);
    }
    return visits.pop() ?? null;
  }

  inOrder(moves: Move<State>[]): Move<State>[] {
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

function findingOf<State>(space: Space<State>, visit: Visit<State>, last: string, error: unknown): Finding {
  const moves = [last];
  for (let at: Visit<State> = visit; at.before !== null; at = at.before) {
    moves.push(at.move);
  }
  moves.reverse();
  const state = space.describe(visit.state);
  if (error instanceof Violation) {
    return { violation: error, moves, state };
  }
  if (error instanceof Error && error.name === 'AssertionFailure') {
    return { violation: new Violation('assertion', error.message), moves, state };
  }
  throw new Error(`${moves.join('\n')}\n${state}`, { cause: error });
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
