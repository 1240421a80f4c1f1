/** The search for an order of calls, against one that tries all orders. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkLinearizability, type Model, type Operation } from '../../src/torture/linearizability.ts';

/** A register that can be read, written and exchanged if it has a value; the answer: what was read, or 1 for done. */
interface Call {
  readonly kind: 'read' | 'write' | 'exchange';
  readonly expected: number;
  readonly value: number;
  /** Null: none came. */
  readonly answer: number | null;
}

function run(state: number, { kind, expected, value }: Call): { readonly state: number; readonly answer: number } {
  switch (kind) {
    case 'read':
      return { state, answer: state };
    case 'write':
      return { state: value, answer: 1 };
    case 'exchange':
      return state === expected ? { state: value, answer: 1 } : { state, answer: 0 };
  }
}

const register: Model<number, Call> = {
  initial: 0,
  step(state, call) {
    const { state: next, answer } = run(state, call);
    return call.answer === null || call.answer === answer ? next : null;
  },
  key: String,
  kind: ({ kind, expected, value }) => `${kind} ${expected} ${value}`,
  isReadOnly: ({ kind }) => kind === 'read',
  isNowOrNever: () => false,
};

const withoutKinds: Model<number, Call> = { ...register, kind: () => null };

/** Any order at all? */
function isExplained(state: number, left: readonly Operation<Call>[]): boolean {
  const isComplete = left.every(({ ended }) => ended === Number.POSITIVE_INFINITY);
  return (
    isComplete ||
    left.some((next) => {
      const isFirst = left.every((other) => other === next || other.ended > next.began);
      const after = isFirst ? register.step(state, next.call) : null;
      const others = left.filter((other) => other !== next);
      return after !== null && isExplained(after, others);
    })
  );
}

const CALLS_MAX = 7;
const VALUES = 3;

const value = fc.nat({ max: VALUES - 1 });

const drawn = fc.record({
  kind: fc.constantFrom('read', 'write', 'exchange'),
  expected: value,
  value,
  began: fc.nat({ max: 12 }),
  length: fc.integer({ min: 1, max: 8 }),
  /** Between beginning and end, when it really happened. */
  moment: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
  isLost: fc.boolean(),
  /** Of a call whose answer is lost. */
  happens: fc.boolean(),
  lie: fc.option(value, { freq: 6 }),
});

type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

/** What clients see of calls that really happened, each at its moment; with lies, as far as they are wanted. */
function historyOf(calls: readonly Drawn[], withLies: boolean): Operation<Call>[] {
  const timed = calls.map((call, i) => {
    const began = call.began + i / 100;
    const ended = began + call.length + 0.005;
    return { ...call, began, ended, at: began + call.moment * (ended - began) * (call.isLost ? 3 : 1) };
  });
  let state = 0;
  return timed
    .toSorted((one, other) => one.at - other.at)
    .map(({ kind, expected, value, began, ended, isLost, happens, lie }): Operation<Call> => {
      const call: Call = { kind: kind as Call['kind'], expected, value, answer: null };
      const result = run(state, call);
      state = isLost && !happens ? state : result.state;
      const answer = withLies && lie !== null ? lie : result.answer;
      return isLost ? { call, began, ended: Number.POSITIVE_INFINITY } : { call: { ...call, answer }, began, ended };
    });
}

const calls = fc.array(drawn, { maxLength: CALLS_MAX });

describe('the search', () => {
  test('explains whatever has really happened', () => {
    fc.assert(
      fc.property(calls, (drawnCalls) => {
        expect(checkLinearizability(register, historyOf(drawnCalls, false)).kind).toBe('linearizable');
      }),
      { numRuns: 2000 },
    );
  });

  test('agrees with trying every order', () => {
    const seen = new Set<boolean>();
    fc.assert(
      fc.property(calls, (drawnCalls) => {
        const history = historyOf(drawnCalls, true);
        const expected = isExplained(0, history);
        seen.add(expected);
        const kind = expected ? 'linearizable' : 'violation';
        expect(checkLinearizability(register, history).kind).toBe(kind);
        expect(checkLinearizability(withoutKinds, history).kind).toBe(kind);
      }),
      { numRuns: 3000 },
    );
    expect(seen.size).toBe(2); // there were histories of both kinds
  });

  test('says where it got stuck', () => {
    const at = (call: Call, began: number): Operation<Call> => ({ call, began, ended: began + 1 });
    const write: Call = { kind: 'write', expected: 0, value: 2, answer: 1 };
    const stale: Call = { kind: 'read', expected: 0, value: 0, answer: 0 };
    const later: Call = { ...stale, answer: 2 };
    const verdict = checkLinearizability(register, [at(write, 1), at(stale, 3), at(later, 5)]);
    expect(verdict).toEqual({ kind: 'violation', order: [write], stuck: [stale] });
  });

  test('gives up when it is told to, and says so', () => {
    const write = (began: number): Operation<Call> => ({
      call: { kind: 'write', expected: 0, value: began, answer: 1 },
      began,
      ended: 100 + began,
    });
    const history = Array.from({ length: 20 }, (_, i) => write(i));
    expect(checkLinearizability(register, history, 10)).toEqual({ kind: 'undecided' });
    expect(checkLinearizability(register, history).kind).toBe('linearizable');
  });
});
