/**
 * Elections as a space to be searched: real Election machines, notifications on their way between them, and timers that
 * end whenever they like. What comes of an election is only a proposal to the protocol behind it (explore.ts lets an
 * oracle name anybody); but it must be made by a quorum, for one who has all that they have, and everybody must come to
 * decide. (Not when two lead, in haste or after losses, or when a leader has forgotten that it leads: that ends behind
 * the election, where leaders without followers give up.)
 */
import { decodeNotification, JuteReader } from '@treekeeper/protocol';
import { type Configuration, Election } from '@treekeeper/server/internal';
import { check } from '../checkers/violation.ts';
import { membersOf } from './explore.ts';
import { type Limits, type Move, meet, type Search, search } from './search.ts';

export interface History {
  readonly currentEpoch: number;
  readonly lastZxid: number;
}

export interface ElectionScenario {
  readonly name: string;
  readonly histories: readonly History[];
  /** How often timers end before everything that is on its way has arrived, in all. */
  readonly hastes: number;
  readonly losses: number;
  /** Processes that end and begin anew. */
  readonly restarts: number;
}

const NOTHING = { info: () => undefined, warn: () => undefined, error: () => undefined };
const TIMES = { notificationIntervalMsMin: 200, notificationIntervalMsMax: 60_000 };

/** One machine, and what it has said in its last step. */
class Elector {
  readonly #election: Election;
  readonly #configuration: Configuration;
  readonly #history: History;
  #said: [to: number, bytes: string][] = [];
  #nowMs = 0;

  constructor(serverId: number, history: History, configuration: Configuration) {
    this.#configuration = configuration;
    this.#history = history;
    const notify = (to: number, bytes: Uint8Array) => this.#said.push([to, Buffer.from(bytes).toString('latin1')]);
    const outbox = { notify, dialAll: () => undefined };
    this.#election = new Election({ ...TIMES, serverId, adoptsConfigurations: false }, outbox, NOTHING);
  }

  /** "start", "tick", or the sender and what it says. */
  take(input: Input): void {
    this.#said = [];
    if (input === 'start') {
      this.#election.start(this.#nowMs, this.#history, this.#configuration, null);
    } else if (input === 'tick') {
      this.#nowMs = Math.max(this.#nowMs, this.#election.deadlineMs);
      this.#election.tick(this.#nowMs);
    } else {
      this.#election.receive(input.from, Buffer.from(input.bytes, 'latin1'), this.#nowMs);
    }
  }

  get view(): View {
    const { decided, round, deadlineMs } = this.#election;
    const voters = decided === null ? [] : [...decided.voters];
    return { leader: decided?.leader ?? null, voters, round, isWaiting: Number.isFinite(deadlineMs), said: this.#said };
  }
}

type Input = 'start' | 'tick' | { readonly from: number; readonly bytes: string };

interface View {
  readonly leader: number | null;
  readonly voters: readonly number[];
  readonly round: number;
  /** A timer runs. */
  readonly isWaiting: boolean;
  readonly said: readonly (readonly [to: number, bytes: string])[];
}

/** A machine is what its inputs have made of it. */
interface Local {
  readonly id: number;
  readonly serverId: number;
  readonly inputs: readonly Input[];
  readonly view: View;
  readonly steps: Map<string, Local>;
}

interface State {
  readonly locals: readonly Local[];
  /** From the first to the second server, in order. */
  readonly ways: ReadonlyMap<string, readonly string[]>;
  readonly hastes: number;
  readonly losses: number;
  readonly restarts: number;
  /** Timers that have ended although nothing was on its way. */
  readonly waits: number;
}

/** Of timers, for everybody to decide. */
const WAITS_MAX = 12;

class Elections {
  readonly #histories: readonly History[];
  readonly #configuration: Configuration;
  readonly first: State;
  /** Processes that have just begun. */
  readonly #fresh: readonly Local[];
  #count = 0;

  constructor({ histories, hastes, losses, restarts }: ElectionScenario) {
    this.#histories = histories;
    this.#configuration = membersOf(histories.length);
    this.#fresh = histories.map((_, i) => this.#make(i + 1, ['start']));
    let state: State = { locals: [], ways: new Map(), hastes, losses, restarts, waits: 0 };
    for (const [i, local] of this.#fresh.entries()) {
      state = this.#with(state, i, local);
    }
    this.first = state;
  }

  #make(serverId: number, inputs: readonly Input[]): Local {
    const elector = new Elector(serverId, this.#histories[serverId - 1], this.#configuration);
    for (const input of inputs) {
      elector.take(input);
    }
    return { id: ++this.#count, serverId, inputs, view: elector.view, steps: new Map() };
  }

  #step(from: Local, input: Input): Local {
    const key = typeof input === 'string' ? input : `${input.from} ${input.bytes}`;
    let to = from.steps.get(key);
    if (to === undefined) {
      to = this.#make(from.serverId, [...from.inputs, input]);
      from.steps.set(key, to);
    }
    return to;
  }

  /** The state with another machine in it, and with what that has just said on its way. */
  #with(state: State, i: number, local: Local): State {
    const locals = [...state.locals];
    locals[i] = local;
    const ways = new Map(state.ways);
    for (const [to, bytes] of local.view.said) {
      const way = `${local.serverId}>${to}`;
      ways.set(way, [...(ways.get(way) ?? []), bytes]);
    }
    return { ...state, locals, ways };
  }

  #input(state: State, i: number, input: Input): State {
    const before = state.locals[i].view;
    const local = this.#step(state.locals[i], input);
    const { leader, voters, round } = local.view;
    if (leader !== null && before.leader === null) {
      this.#checkDecision(state, local.serverId, leader, voters);
    }
    check(
      leader !== null || round >= before.round,
      'rounds',
      () => `that of server ${local.serverId} falls to ${round}`,
    );
    return this.#with(state, i, local);
  }

  #checkDecision({ locals }: State, serverId: number, leader: number, voters: readonly number[]): void {
    const name = `server ${serverId} decides for ${leader} with ${voters}`;
    check(voters.length > locals.length / 2, 'a quorum', () => name);
    if (locals.some(({ view }) => view.leader !== null)) {
      return; // it may join those who have decided, whatever it has itself
    }
    for (const voter of voters) {
      check(this.#isBetter(leader, voter), 'the best of them', () => `${name}, of which ${voter} has more`);
    }
  }

  #isBetter(one: number, other: number): boolean {
    const [a, b] = [this.#histories[one - 1], this.#histories[other - 1]];
    const difference = a.currentEpoch - b.currentEpoch || a.lastZxid - b.lastZxid || one - other;
    return difference >= 0;
  }

  readonly moves = (state: State): Move<State>[] => {
    const { locals, ways, hastes, losses, restarts, waits } = state;
    const moves: Move<State>[] = [];
    for (const [way, [first, ...rest]] of ways) {
      if (first === undefined) {
        continue;
      }
      const [from, to] = way.split('>').map(Number);
      const without = { ...state, ways: new Map([...ways, [way, rest] as const]) };
      const input = { from, bytes: first };
      moves.push({ name: `${to} hears ${way}: ${saidIn(first)}`, make: () => this.#input(without, to - 1, input) });
      if (losses > 0) {
        moves.push({ name: `${way} is lost`, make: () => ({ ...without, losses: losses - 1 }) });
      }
    }
    const isQuiet = moves.length === 0;
    for (const [i, { serverId, view }] of locals.entries()) {
      if (view.isWaiting && (isQuiet ? waits < WAITS_MAX : hastes > 0)) {
        const next = isQuiet ? { ...state, waits: waits + 1 } : { ...state, hastes: hastes - 1 };
        moves.push({ name: `time of ${serverId}`, make: () => this.#input(next, i, 'tick') });
      }
      if (restarts > 0) {
        const next = { ...state, restarts: restarts - 1 };
        moves.push({ name: `${serverId} starts anew`, make: () => this.#with(next, i, this.#fresh[i]) });
      }
    }
    return moves;
  };

  readonly keyOf = ({ locals, ways, hastes, losses, restarts, waits }: State): string => {
    const queues = [...ways].filter(([, queue]) => queue.length > 0).sort(([one], [other]) => (one < other ? -1 : 1));
    return `${locals.map(({ id }) => id)} ${queues.join('|')} ${hastes} ${losses} ${restarts} ${waits}`;
  };

  readonly describe = ({ locals }: State): string =>
    locals
      .map(({ serverId, view }) => `  ${serverId}: round ${view.round}, ${view.leader ?? 'nobody'} by ${view.voters}`)
      .join('\n');

  readonly count = (met: Map<string, number>, before: State, after: State): void => {
    const decided = ({ locals }: State) => locals.filter(({ view }) => view.leader !== null).length;
    const leading = after.locals.filter(({ serverId, view }) => view.leader === serverId).length;
    meet(met, 'somebody decides', decided(after) > decided(before));
    meet(met, 'two lead', leading > 1);
    meet(met, 'no end is in sight', after.waits === WAITS_MAX && before.waits < WAITS_MAX);
  };
}

function saidIn(bytes: string): string {
  const { state, leader, round } = decodeNotification(new JuteReader(Buffer.from(bytes, 'latin1')));
  return `state ${state}, vote ${leader}, round ${round}`;
}

export function exploreElections(scenario: ElectionScenario, limits: Limits): Search {
  return search(new Elections(scenario), limits);
}
