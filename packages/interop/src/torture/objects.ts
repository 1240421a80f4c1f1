/**
 * What clients heard, as calls of objects that anybody can understand: registers, nodes that are there until somebody
 * takes them, and a counter that numbers. Each must be linearizable by itself. Zxids are not looked at: this judge
 * believes nothing that a server says of its own order, and so sees what the other (judge.ts) would take for granted.
 * Plain reads are left out, for they may be stale.
 */
import type { AnyCall, AppendCall, FinalState, History, Outcome, ReadCall, SetCall, TakeCall } from './history.ts';
import { FIRST_VALUE, told, type Violation } from './judge.ts';
import { checkLinearizability, type Model, type Operation } from './linearizability.ts';

const CALLS_SHOWN = 6;

/** Everything that no order of calls explains; empty when all is well. */
export function judgeObjects(history: History, final: FinalState): Violation[] {
  const calls = history.calls.filter(({ outcome, code }) => outcome !== 'refused' || SAYS_STATE.has(code));
  return [
    ...[...final.registers].flatMap(([key, state]) => judgeRegister(key, calls, state)),
    ...judgeNodes(calls, final),
    ...judgeNumbers(calls),
  ];
}

/** Refusals that say something of the state in which they happened. Of the others we know that nothing happened. */
const SAYS_STATE: ReadonlySet<string> = new Set(['BAD_VERSION', 'NO_NODE']);

const NEVER = Number.POSITIVE_INFINITY;

function operationOf<Call extends AnyCall>(call: Call): Operation<Call> {
  return { call, began: call.began, ended: call.outcome === 'unknown' ? NEVER : call.ended };
}

function violationsOf<State, Call extends { readonly outcome: Outcome }>(
  what: string,
  model: Model<State, Call>,
  operations: readonly Operation<Call>[],
  tell: (call: Call) => string,
): Violation[] {
  const verdict = checkLinearizability(model, operations);
  switch (verdict.kind) {
    case 'linearizable':
      return [];
    case 'undecided':
      return [{ kind: 'linearizability', text: `${what}: the search for an order was given up` }];
    case 'violation': {
      const behind = verdict.order.slice(-CALLS_SHOWN).map(tell).join(', ');
      const stuck = verdict.stuck.map(tell).join(', ');
      return [
        { kind: 'linearizability', text: `${what}: behind ${behind || 'nothing'}, none of these can be: ${stuck}` },
      ];
    }
  }
}

// Registers

interface RegisterState {
  readonly value: string;
  readonly version: number;
}

/** What is there in the end is a last read. */
type RegisterCall = SetCall | ReadCall;

function judgeRegister(key: string, all: readonly AnyCall[], { value, version }: RegisterState): Violation[] {
  const calls = all.filter(
    (call): call is RegisterCall =>
      (call.kind === 'set' || (call.kind === 'read' && call.isSynced)) && call.key === key,
  );
  const answered = calls.filter((call) => call.kind === 'set' || call.outcome === 'done');
  const end = endOf(all);
  const last: ReadCall = { ...lastCall(end), kind: 'read', key, isSynced: true, value, version };
  const operations = [...answered.map(operationOf), { call: last, began: end + 1, ended: end + 2 }];
  return violationsOf(key, new RegisterModel(operations.map(({ call }) => call)), operations, told);
}

/** Behind everything that has an end. */
function endOf(calls: readonly AnyCall[]): number {
  return calls.reduce((last, { began, ended }) => Math.max(last, began, Number.isFinite(ended) ? ended : 0), 0);
}

function lastCall(end: number): Omit<ReadCall, 'kind' | 'key' | 'isSynced' | 'value' | 'version'> {
  const session = { index: -1, id: 0n, calls: 1, breaks: [] };
  return { began: end + 1, ended: end + 2, session, place: 0, outcome: 'done', code: '', zxid: 0n };
}

class RegisterModel implements Model<RegisterState, RegisterCall> {
  readonly initial: RegisterState = { value: FIRST_VALUE, version: 0 };
  /** The version that some answer gives a value. */
  readonly #versions = new Map<string, number>();
  readonly #isClaimed = new Set<number>();

  constructor(calls: readonly RegisterCall[]) {
    for (const { outcome, value, version } of calls) {
      if (outcome === 'done') {
        this.#versions.set(value, version);
        this.#isClaimed.add(version);
      }
    }
  }

  step(state: RegisterState, call: RegisterCall): RegisterState | null {
    if (call.kind === 'read') {
      return call.value === state.value && call.version === state.version ? state : null;
    }
    const holds = call.expectedVersion === -1 || call.expectedVersion === state.version;
    if (call.outcome === 'refused') {
      return holds ? null : state;
    }
    return holds ? this.#written(call, state.version + 1) : null;
  }

  #written({ value, outcome, version: answered }: SetCall, version: number): RegisterState | null {
    if (outcome === 'done') {
      return answered === version ? { value, version } : null;
    }
    // Values are written once: an answer that has this one says when that was, or that it was none of the others.
    const seen = this.#versions.get(value);
    if (seen === undefined) {
      return this.#isClaimed.has(version) ? null : { value: '', version };
    }
    return seen === version ? { value, version } : null;
  }

  key({ value, version }: RegisterState): string {
    return `${version} ${value}`;
  }

  kind(call: RegisterCall): string | null {
    return call.kind === 'set' && !this.#versions.has(call.value) ? `${call.expectedVersion}` : null;
  }

  isReadOnly({ kind, outcome }: RegisterCall): boolean {
    return kind === 'read' || outcome === 'refused';
  }

  /** Versions only grow. */
  isNowOrNever(_state: RegisterState, call: RegisterCall): boolean {
    return call.kind === 'set' && (call.expectedVersion !== -1 || this.#versions.has(call.value));
  }
}

// Nodes: made, taken once

type NodeCall = AppendCall | TakeCall;

function judgeNodes(calls: readonly AnyCall[], { appended }: FinalState): Violation[] {
  const byPath = new Map<string, NodeCall[]>();
  for (const call of calls) {
    const isNode = call.kind === 'take' || (call.kind === 'append' && call.outcome === 'done');
    if (isNode) {
      byPath.set(call.path, [...(byPath.get(call.path) ?? []), call]);
    }
  }
  const end = endOf(calls);
  // A node of which nobody was told that it was made is taken by nobody but by chance.
  const known = [...byPath].filter(([, ofPath]) => ofPath.some(({ kind }) => kind === 'append'));
  return known.flatMap(([path, ofPath]) => {
    const final: TakeCall = { ...lastCall(end), kind: 'take', path, ...(appended.has(path) ? {} : MISSING) };
    const operations = [...ofPath.map(operationOf), { call: final, began: end + 1, ended: end + 2 }];
    return violationsOf(path, nodeModel, operations, told);
  });
}

const MISSING = { outcome: 'refused', code: 'NO_NODE' } as const;

type NodeState = 'none' | 'there' | 'taken';

const nodeModel: Model<NodeState, NodeCall> = {
  initial: 'none',
  step(state, call) {
    if (call.kind === 'append') {
      return state === 'none' ? 'there' : null; // a number is given once
    }
    if (call.outcome === 'refused') {
      return state === 'there' ? null : state;
    }
    return state === 'there' ? 'taken' : null;
  },
  key: (state) => state,
  kind: ({ kind }) => kind,
  isReadOnly: ({ outcome }) => outcome === 'refused',
  isNowOrNever: () => true,
};

// Numbers: one after the other

function judgeNumbers(calls: readonly AnyCall[]): Violation[] {
  const appends = calls.filter((call): call is AppendCall => call.kind === 'append' && call.outcome !== 'refused');
  return violationsOf('sequence numbers', new NumberModel(appends), appends.map(operationOf), told);
}

const NUMBER_DIGITS = 10;

function numberOf({ path }: AppendCall): number {
  return Number(path.slice(-NUMBER_DIGITS));
}

/** The next number. */
class NumberModel implements Model<number, AppendCall> {
  readonly initial = 0;
  readonly #isClaimed: ReadonlySet<number>;

  constructor(calls: readonly AppendCall[]) {
    this.#isClaimed = new Set(calls.filter(({ outcome }) => outcome === 'done').map(numberOf));
  }

  /** A call without an answer may have used one up that no other call has. */
  step(next: number, call: AppendCall): number | null {
    const isPossible = call.outcome === 'unknown' ? !this.#isClaimed.has(next) : numberOf(call) === next;
    return isPossible ? next + 1 : null;
  }

  key(next: number): string {
    return `${next}`;
  }

  kind(): string {
    return 'append';
  }

  isReadOnly(): boolean {
    return false;
  }

  isNowOrNever(): boolean {
    return false; // any other append would do as well
  }
}
