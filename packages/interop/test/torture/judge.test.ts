/** Histories that can have happened, and one of each kind that cannot. */
import { describe, expect, test } from 'vitest';
import type { AnyCall } from '../../src/torture/history.ts';
import { History, type SessionRecord } from '../../src/torture/history.ts';
import { FIRST_VALUE, judge, type Violation } from '../../src/torture/judge.ts';
import { finalOf } from './final.ts';

const KEY = '/r';

/** Two sessions that write in turn, and what the servers have in the end. */
class Case {
  readonly history = new History();
  readonly one = this.history.openSession(1n);
  readonly other = this.history.openSession(2n);
  readonly registers = new Map([[KEY, { value: FIRST_VALUE, version: 0, zxid: 1n }]]);
  readonly appended = new Map<string, { value: string; version: number; zxid: bigint }>();

  set(session: SessionRecord, value: string, zxid: bigint, version: number, expectedVersion = -1): AnyCall {
    const call = this.history.begin(session, { kind: 'set', key: KEY, value, expectedVersion });
    call.zxid = zxid;
    call.version = version;
    this.history.end(call, 'done');
    this.registers.set(KEY, { value, version, zxid });
    return call;
  }

  setWithoutAnswer(value: string): AnyCall {
    const call = this.history.begin(this.one, { kind: 'set', key: KEY, value, expectedVersion: -1 });
    this.history.end(call, 'unknown', 'CONNECTION_LOSS');
    return call;
  }

  setRefused(value: string): void {
    const call = this.history.begin(this.one, { kind: 'set', key: KEY, value, expectedVersion: -1 });
    this.history.end(call, 'refused', 'BAD_VERSION');
  }

  read(session: SessionRecord, value: string, zxid: bigint, version: number, isSynced = false): void {
    const call = this.history.begin(session, { kind: 'read', key: KEY, isSynced });
    Object.assign(call, { value, zxid, version });
    this.history.end(call, 'done');
  }

  append(value: string, number: number, zxid: bigint, session = this.one): string {
    const path = `/q/n-${number}`;
    const call = this.history.begin(session, { kind: 'append', value });
    Object.assign(call, { path, zxid });
    this.history.end(call, 'done');
    this.appended.set(path, { value, version: 0, zxid });
    return path;
  }

  take(path: string, outcome: 'done' | 'unknown' | 'refused', code = ''): void {
    this.history.end(this.history.begin(this.one, { kind: 'take', path }), outcome, code);
  }

  end(value: string, version: number, zxid: bigint): void {
    this.registers.set(KEY, { value, version, zxid });
  }

  get violations(): readonly Violation[] {
    const { registers, appended } = this;
    return judge(this.history, finalOf({ registers, appended }));
  }

  get verdict(): string[] {
    return this.violations.map(({ text }) => text.replace(/[:,].*/, ''));
  }
}

describe('what can have happened', () => {
  test('nothing at all', () => {
    expect(new Case().verdict).toEqual([]);
  });

  test('writes in turn, reads of both kinds, and one read that lags in another session', () => {
    const c = new Case();
    c.set(c.one, 'a', 10n, 1);
    c.set(c.other, 'b', 11n, 2, 1);
    c.read(c.one, 'a', 10n, 1);
    c.read(c.one, 'b', 11n, 2, true);
    expect(c.verdict).toEqual([]);
  });

  test('a write without an answer that was done, seen or not, and one that was not', () => {
    const c = new Case();
    c.setWithoutAnswer('a');
    c.setWithoutAnswer('b');
    c.setWithoutAnswer('c');
    c.read(c.other, 'a', 10n, 1);
    c.set(c.other, 'd', 12n, 3);
    expect(c.verdict).toEqual([]);
  });

  test('writes at the same time, in either order', () => {
    const c = new Case();
    const first = c.history.begin(c.one, { kind: 'set', key: KEY, value: 'a', expectedVersion: -1 });
    c.set(c.other, 'b', 10n, 1);
    Object.assign(first, { zxid: 11n, version: 2 });
    c.history.end(first, 'done');
    c.end('a', 2, 11n);
    expect(c.verdict).toEqual([]);
  });

  test('a queue, of which something was taken', () => {
    const c = new Case();
    const path = c.append('a', 1, 10n);
    c.append('b', 2, 11n);
    c.take(path, 'done');
    c.take(path, 'refused', 'NO_NODE');
    c.appended.delete(path);
    expect(c.verdict).toEqual([]);
  });
});

describe('registers', () => {
  test('an acknowledged write that is lost', () => {
    const c = new Case();
    c.set(c.one, 'a', 10n, 1);
    c.end(FIRST_VALUE, 0, 1n);
    expect(c.verdict).toEqual(['lost']);
  });

  test('an acknowledged write in whose place there is another one', () => {
    const c = new Case();
    c.set(c.one, 'a', 10n, 1);
    c.setWithoutAnswer('b');
    c.end('b', 1, 11n);
    expect(c.verdict).toEqual(['fork']);
  });

  test('two writes that were told the same version', () => {
    const c = new Case();
    c.set(c.one, 'a', 10n, 1);
    c.set(c.other, 'b', 11n, 1);
    expect(c.verdict).toContain('fork');
  });

  test('a write that was refused, and done', () => {
    const c = new Case();
    c.setRefused('a');
    c.end('a', 1, 10n);
    expect(c.verdict).toEqual(['refused']);
  });

  test('a write that was done twice', () => {
    const c = new Case();
    c.set(c.one, 'a', 10n, 1);
    c.set(c.one, 'b', 12n, 3);
    expect(c.verdict).toEqual(['/r has 1 versions of unknown origin']);
  });

  test('a read of what nobody wrote, or only later', () => {
    const c = new Case();
    c.read(c.one, 'a', 10n, 1);
    c.read(c.one, 'z', 11n, 2);
    c.setWithoutAnswer('a');
    c.end('z', 2, 11n);
    expect(c.verdict).toEqual(['read before it was written', 'nobody wrote this']);
  });

  test('a condition that did not hold', () => {
    const c = new Case();
    c.setWithoutAnswer('x');
    c.set(c.one, 'a', 10n, 2, 0);
    expect(c.verdict).toEqual(['wrong version 2 after 0']);
  });
});

describe('time and sessions', () => {
  test('a read with sync that does not see what was acknowledged before', () => {
    const c = new Case();
    c.set(c.one, 'a', 10n, 1);
    c.read(c.other, FIRST_VALUE, 1n, 0, true);
    expect(c.verdict).toEqual(['stale']);
  });

  test('a read with sync that goes behind a plain read of somebody else', () => {
    const c = new Case();
    c.setWithoutAnswer('a');
    c.read(c.one, 'a', 10n, 1);
    c.read(c.other, FIRST_VALUE, 1n, 0, true);
    c.end('a', 1, 10n);
    expect(c.verdict).toEqual(['stale']);
  });

  test('a later write with an earlier zxid', () => {
    const c = new Case();
    c.append('a', 1, 12n);
    c.set(c.other, 'b', 10n, 1);
    expect(c.verdict).toEqual(['stale']);
  });

  test('a session that goes back', () => {
    const c = new Case();
    c.set(c.other, 'a', 10n, 1);
    c.read(c.one, 'a', 10n, 1);
    c.read(c.one, FIRST_VALUE, 1n, 0);
    expect(c.verdict).toEqual(['session goes back']);
  });

  test('a session that does not see what must have been there at what it saw of another node', () => {
    const c = new Case();
    c.set(c.other, 'a', 10n, 1);
    c.append('q', 1, 12n);
    c.read(c.one, FIRST_VALUE, 1n, 0);
    expect(c.verdict).toEqual(['session goes back']);
  });

  test('pipelined writes of a session in another order', () => {
    const c = new Case();
    const first = c.history.begin(c.one, { kind: 'set', key: KEY, value: 'a', expectedVersion: -1 });
    c.set(c.one, 'b', 10n, 1);
    Object.assign(first, { zxid: 11n, version: 2 });
    c.history.end(first, 'done');
    c.end('a', 2, 11n);
    expect(c.verdict).toEqual(['session out of order']);
  });

  test('two sessions of one id', () => {
    const c = new Case();
    c.history.openSession(1n);
    expect(c.verdict).toEqual(['sessions 0 and 2 have the same id']);
  });
});

describe('queues', () => {
  test('a node that is lost', () => {
    const c = new Case();
    c.appended.delete(c.append('a', 1, 10n));
    expect(c.verdict).toEqual(['lost']);
  });

  test('a number that is given twice', () => {
    const c = new Case();
    c.append('a', 1, 10n);
    c.append('b', 1, 11n, c.other);
    expect(c.verdict).toContain('same number twice');
  });

  test('numbers that go back', () => {
    const c = new Case();
    c.append('a', 2, 10n);
    c.append('b', 1, 11n);
    expect(c.verdict).toEqual(['numbers go back']);
  });

  test('a node that was made twice, or by nobody', () => {
    const c = new Case();
    c.append('a', 1, 10n);
    c.appended.set('/q/n-2', { value: 'a', version: 0, zxid: 11n });
    c.appended.set('/q/n-3', { value: 'z', version: 0, zxid: 12n });
    expect(c.verdict).toEqual(['made twice', '/q/n-3 "z" is there']);
  });

  test('a node that two take, that is taken and there, and that is gone before anybody took it', () => {
    const c = new Case();
    const path = c.append('a', 1, 10n);
    c.take(path, 'refused', 'NO_NODE');
    c.take(path, 'done');
    c.take(path, 'done');
    expect(c.verdict).toEqual(['taken twice', 'taken', 'nobody took it']);
  });
});

test('a violation has the kind under which it is reported', () => {
  const lost = new Case();
  lost.set(lost.one, 'a', 10n, 1);
  lost.end(FIRST_VALUE, 0, 1n);
  expect(lost.violations).toMatchObject([{ kind: 'lost' }]);
  const stale = new Case();
  stale.set(stale.one, 'a', 10n, 1);
  stale.read(stale.other, FIRST_VALUE, 1n, 0, true);
  expect(stale.violations).toMatchObject([{ kind: 'stale' }]);
  const forked = new Case();
  forked.set(forked.one, 'a', 10n, 1);
  forked.set(forked.other, 'b', 11n, 1);
  expect(forked.violations).toContainEqual(expect.objectContaining({ kind: 'fork' }));
});
