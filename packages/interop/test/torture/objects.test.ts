/** Histories of registers, nodes and numbers that some order of calls explains, and some that none does. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AnyCall, type FinalState, History } from '../../src/torture/history.ts';
import { FIRST_VALUE } from '../../src/torture/judge.ts';
import { judgeObjects } from '../../src/torture/objects.ts';
import { finalOf } from './final.ts';

const KEY = '/r';

/** A register, and a folder with numbered nodes; what is done to them, and what clients hear of it. */
class Store {
  readonly history = new History();
  readonly session = this.history.openSession(1n);
  value = FIRST_VALUE;
  version = 0;
  nextNumber = 0;
  readonly nodes = new Map<string, string>();

  begin(kind: 'set' | 'compare' | 'read' | 'append' | 'take', value: string, path: string): AnyCall {
    const { history, session, version } = this;
    switch (kind) {
      case 'set':
        return history.begin(session, { kind, key: KEY, value, expectedVersion: -1 });
      case 'compare':
        return history.begin(session, { kind: 'set', key: KEY, value, expectedVersion: version });
      case 'read':
        return history.begin(session, { kind, key: KEY, isSynced: true });
      case 'append':
        return history.begin(session, { kind, value });
      case 'take':
        return history.begin(session, { kind, path });
    }
  }

  /** It happens now. Returns what its client will hear. */
  perform(call: AnyCall): () => void {
    const done = () => this.history.end(call, 'done');
    if (call.kind === 'set') {
      if (call.expectedVersion !== -1 && call.expectedVersion !== this.version) {
        return () => this.history.end(call, 'refused', 'BAD_VERSION');
      }
      this.value = call.value;
      this.version++;
      const { version } = this;
      return () => {
        call.version = version;
        done();
      };
    }
    if (call.kind === 'read') {
      const { value, version } = this;
      return () => {
        Object.assign(call, { value, version });
        done();
      };
    }
    if (call.kind === 'append') {
      const path = pathOf(this.nextNumber++);
      this.nodes.set(path, call.value);
      return () => {
        call.path = path;
        done();
      };
    }
    const isThere = call.kind === 'take' && this.nodes.delete(call.path);
    return isThere ? done : () => this.history.end(call, 'refused', 'NO_NODE');
  }

  get final(): FinalState {
    const { value, version } = this;
    const appended = [...this.nodes].map(([path, text]) => [path, { value: text, version: 0, zxid: 1n }] as const);
    return finalOf({ registers: new Map([[KEY, { value, version, zxid: 1n }]]), appended: new Map(appended) });
  }

  get verdict(): string[] {
    return judgeObjects(this.history, this.final).map(({ kind, text }) => `${kind}: ${text.replace(/:.*/, '')}`);
  }
}

function pathOf(number: number): string {
  return `/queue/n-${String(number).padStart(10, '0')}`;
}

function doAtOnce(store: Store, ...what: Parameters<Store['begin']>): AnyCall {
  const call = store.begin(...what);
  store.perform(call)();
  return call;
}

/** Several calls at a time; each begins, happens and is heard of at any time, or is lost on one of its ways. */
function runAtRandom(steps: readonly { kind: number; pick: number; fate: number }[], window: number): Store {
  const store = new Store();
  const kinds = ['set', 'set', 'compare', 'read', 'append', 'take'] as const;
  const begun: AnyCall[] = [];
  const performed: (() => void)[] = [];
  steps.forEach(({ kind, pick, fate }, i) => {
    if (begun.length < window) {
      begun.push(store.begin(kinds[kind % kinds.length], `v${i}`, pathOf(pick % (store.nextNumber + 1))));
    }
    if (fate % 3 !== 0) {
      const [call] = begun.splice(pick % begun.length, 1);
      if (call !== undefined && fate % 17 !== 1) {
        const tell = store.perform(call);
        performed.push(fate % 11 === 1 ? () => {} : tell);
      } // else the request is lost
    }
    if (fate % 2 === 0) {
      performed.splice(pick % (performed.length + 1), 1)[0]?.();
    }
  });
  return store;
}

const steps = (maxLength: number, minLength = 0) =>
  fc.array(fc.record({ kind: fc.nat(), pick: fc.nat(), fate: fc.nat() }), { minLength, maxLength, size: 'max' });

test('whatever happens, an order explains it', () => {
  fc.assert(
    fc.property(steps(200), fc.integer({ min: 1, max: 8 }), (all, window) => {
      expect(runAtRandom(all, window).verdict).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test('a long history of many clients, with hundreds of answers that never came', () => {
  const [all] = fc.sample(steps(20_000, 20_000), { numRuns: 1, seed: 7 });
  const store = runAtRandom(all, 90);
  const lost = store.history.calls.filter(({ outcome }) => outcome === 'unknown');
  expect(lost.length).toBeGreaterThan(300);
  expect(store.verdict).toEqual([]);
}, 60_000);

describe('no order explains', () => {
  test('a read of what was overwritten before it began', () => {
    const store = new Store();
    doAtOnce(store, 'set', 'a', '');
    const late = store.begin('read', '', '');
    const tell = store.perform(late);
    doAtOnce(store, 'set', 'b', '');
    tell(); // while it overlaps the write, both are right
    expect(store.verdict).toEqual([]);
    const stale = store.begin('read', '', '');
    Object.assign(stale, { value: 'a', version: 1 });
    store.history.end(stale, 'done');
    expect(store.verdict).toEqual([`linearizability: ${KEY}`]);
  });

  test('two clients that see lost writes in different orders', () => {
    const store = new Store();
    store.begin('set', 'a', '');
    store.begin('set', 'b', '');
    for (const [value, version] of [
      ['a', 1],
      ['b', 2],
      ['a', 1],
    ] as const) {
      const read = store.begin('read', '', '');
      Object.assign(read, { value, version });
      store.history.end(read, 'done');
    }
    Object.assign(store, { value: 'b', version: 2 });
    expect(store.verdict).toEqual([`linearizability: ${KEY}`]);
  });

  test('a write that is lost, or done twice', () => {
    const lost = new Store();
    doAtOnce(lost, 'set', 'a', '');
    Object.assign(lost, { value: FIRST_VALUE, version: 0 });
    expect(lost.verdict).toEqual([`linearizability: ${KEY}`]);
    const twice = new Store();
    doAtOnce(twice, 'set', 'a', '');
    twice.version = 2;
    expect(twice.verdict).toEqual([`linearizability: ${KEY}`]);
  });

  test('half of a transaction that had to be refused, answered or not', () => {
    for (const outcome of ['refused', 'unknown'] as const) {
      const store = new Store();
      const { history, session } = store;
      const half = history.begin(session, { kind: 'set', key: KEY, value: 'a', expectedVersion: 1_000_000_000 });
      history.end(half, outcome, 'BAD_VERSION');
      expect(store.verdict).toEqual([]);
      Object.assign(store, { value: 'a', version: 1 });
      expect(store.verdict).toEqual([`linearizability: ${KEY}`]);
    }
  });

  test('a refusal for a version that was there all the time', () => {
    const store = new Store();
    store.history.end(store.begin('compare', 'a', ''), 'refused', 'BAD_VERSION');
    expect(store.verdict).toEqual([`linearizability: ${KEY}`]);
  });

  test('a node that two take, that is missing while it is there, or there when it was taken', () => {
    const taken = new Store();
    doAtOnce(taken, 'append', 'a', '');
    doAtOnce(taken, 'take', '', pathOf(0));
    taken.history.end(taken.begin('take', '', pathOf(0)), 'done');
    expect(taken.verdict).toEqual([`linearizability: ${pathOf(0)}`]);
    const missing = new Store();
    doAtOnce(missing, 'append', 'a', '');
    missing.history.end(missing.begin('take', '', pathOf(0)), 'refused', 'NO_NODE');
    expect(missing.verdict).toEqual([`linearizability: ${pathOf(0)}`]);
    const back = new Store();
    doAtOnce(back, 'append', 'a', '');
    doAtOnce(back, 'take', '', pathOf(0));
    back.nodes.set(pathOf(0), 'a');
    expect(back.verdict).toEqual([`linearizability: ${pathOf(0)}`]);
  });

  test('a number that is given twice, goes back, or is left out for nobody', () => {
    const numbers = (...given: readonly number[]): string[] => {
      const store = new Store();
      for (const [i, number] of given.entries()) {
        const call = store.begin('append', `v${i}`, '');
        Object.assign(call, { path: pathOf(number) });
        store.history.end(call, 'done');
        store.nodes.set(pathOf(number), `v${i}`);
      }
      return store.verdict;
    };
    expect(numbers(0, 1, 2)).toEqual([]);
    expect(numbers(0, 0)).toContain('linearizability: sequence numbers');
    expect(numbers(1, 0)).toEqual(['linearizability: sequence numbers']);
    expect(numbers(0, 2)).toEqual(['linearizability: sequence numbers']);
  });
});
