/** Rights and quotas that hold, and each way in which they do not. */
import { describe, expect, test } from 'vitest';
import { judgeQuota, judgeRights } from '../../src/torture/guard-judge.ts';
import { type Final, History, type Outcome, type StoreCall, type TryAct } from '../../src/torture/history.ts';
import { FIRST_VALUE } from '../../src/torture/judge.ts';
import { finalOf } from './final.ts';

class Case {
  readonly history = new History();
  readonly session = this.history.openSession(1n);
  readonly closed = new Map<string, Final>();
  #zxid = 1n;

  constructor() {
    for (const path of ['/c/ours', '/c/ours/inner', '/c/untouched', '/c/untouched/inner']) {
      this.closed.set(path, { value: FIRST_VALUE, version: 0, zxid: 1n });
    }
  }

  try(act: TryAct, hasRight: boolean, outcome: Outcome, code = ''): void {
    const call = this.history.begin(this.session, { kind: 'try', path: '/c/ours', act, hasRight });
    this.history.end(call, outcome, code);
  }

  store(act: StoreCall['act'], path: string, sizeBytes: number, outcome: Outcome = 'done'): void {
    const call = this.history.begin(this.session, { kind: 'store', path, act, sizeBytes });
    call.zxid = outcome === 'done' ? ++this.#zxid : 0n;
    this.history.end(call, outcome);
  }

  get rights(): string[] {
    return judgeRights(this.history, finalOf({ closed: this.closed })).map(({ text }) => text.replace(/:.*/, ''));
  }

  get quota(): string[] {
    const violations = judgeQuota(this.history, { count: 3, sizeBytes: 100 });
    return violations.map(({ text }) => text.replace(/[:,].*/, ''));
  }
}

describe('rights', () => {
  test('hold: refused without, done with, and one answer lost', () => {
    const c = new Case();
    c.try('set', false, 'refused', 'NO_AUTH');
    c.try('get', false, 'unknown', 'CONNECTION_LOSS');
    c.try('set', true, 'done');
    c.try('set', true, 'unknown', 'TIMEOUT');
    c.try('get', true, 'refused', 'CONNECTION_LOSS');
    c.closed.set('/c/ours', { value: 'new', version: 2, zxid: 9n });
    expect(c.rights).toEqual([]);
  });

  test.each(['get', 'children', 'set', 'create', 'delete', 'set ACL', 'transaction'] as const)(
    '%s without the right',
    (act) => {
      const c = new Case();
      c.try(act, false, 'done');
      expect(c.rights).toEqual([`${act} without the right to it`]);
    },
  );

  test('that are refused to those who have them', () => {
    const c = new Case();
    c.try('get', true, 'refused', 'NO_AUTH');
    expect(c.rights).toEqual(['get is refused to one who may']);
  });

  test('what is left shows what nobody may have done', () => {
    const changed = new Case();
    changed.try('set', false, 'unknown', 'CONNECTION_LOSS');
    changed.closed.set('/c/untouched', { value: 'new', version: 1, zxid: 9n });
    const lost = new Case();
    lost.try('set', true, 'done');
    const made = new Case();
    made.closed.set('/c/ours/new', { value: '', version: 0, zxid: 9n });
    const deleted = new Case();
    deleted.closed.delete('/c/ours/inner');
    const restored = new Case();
    restored.closed.set('/c/ours', { value: 'new', version: 0, zxid: 9n });
    expect([changed, lost, made, deleted, restored].map(({ rights }) => rights)).toEqual([
      ['/c/untouched has version 1 "new", and its owners changed it 0 to 0 times'],
      ['/c/ours has version 0 "first", and its owners changed it 1 to 1 times'],
      ['/c/ours/new has been made without the right to it'],
      ['ours or what is in it has been deleted without the right to it'],
      ['/c/ours has "new" and no other version'],
    ]);
  });
});

describe('quotas', () => {
  test('hold: up to the limits, and again when there is room', () => {
    const c = new Case();
    c.store('create', '/l/a', 50);
    c.store('create', '/l/b', 50);
    c.store('create', '/l/c', 1, 'refused');
    c.store('overfill', '/l', 101, 'refused');
    c.store('delete', '/l/a', 50);
    c.store('create', '/l/d', 50);
    expect(c.quota).toEqual([]);
  });

  test('hold: room that a deletion without an answer may have made', () => {
    const c = new Case();
    c.store('create', '/l/a', 50);
    c.store('create', '/l/b', 50);
    c.store('delete', '/l/a', 50, 'unknown');
    c.store('create', '/l/d', 50);
    expect(c.quota).toEqual([]);
  });

  test('hold: of two that ask at the same time, both may take the last room', () => {
    const c = new Case();
    c.store('create', '/l/a', 50);
    const first = c.history.begin(c.session, { kind: 'store', path: '/l/b', act: 'create', sizeBytes: 50 });
    c.store('create', '/l/c', 50);
    c.history.end(first, 'done');
    c.store('create', '/l/d', 1, 'refused');
    expect(c.quota).toEqual([]);
  });

  test('are exceeded by a node, by bytes, or by all at once', () => {
    const [nodes, bytes, once] = [new Case(), new Case(), new Case()];
    for (const path of ['/l/a', '/l/b', '/l/c']) {
      nodes.store('create', path, 1);
    }
    bytes.store('create', '/l/a', 60);
    bytes.store('create', '/l/b', 41);
    once.store('overfill', '/l', 101);
    expect([nodes, bytes, once].map(({ quota }) => quota)).toEqual([
      ['beyond the quota'],
      ['beyond the quota'],
      ['beyond the quota'],
    ]);
  });
});
