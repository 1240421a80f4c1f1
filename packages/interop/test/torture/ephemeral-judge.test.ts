/** Ephemeral nodes that live as long as their sessions, and some that do not. */
import { describe, expect, test } from 'vitest';
import { judgeEphemerals } from '../../src/torture/ephemeral-judge.ts';
import { History, type Outcome, type SessionRecord } from '../../src/torture/history.ts';
import { finalOf } from './final.ts';

class Case {
  readonly history = new History();
  readonly one = this.history.openSession(1n);
  readonly other = this.history.openSession(2n);
  readonly owned: string[] = [];

  own(path: string, outcome: Outcome = 'done'): void {
    const call = this.history.begin(this.one, { kind: 'own', path });
    call.zxid = 10n;
    this.history.end(call, outcome);
  }

  look(session: SessionRecord, path: string, owner: bigint | null, isSynced = session !== this.one): void {
    const call = this.history.begin(session, { kind: 'look', path, isSynced });
    Object.assign(call, { isThere: owner !== null, owner: owner ?? 0n });
    this.history.end(call, 'done');
  }

  read(isSynced: boolean): void {
    this.history.end(this.history.begin(this.one, { kind: 'read', key: '/r', isSynced }), 'done');
  }

  get verdict(): string[] {
    const violations = judgeEphemerals(this.history, finalOf({ owned: this.owned }));
    return violations.map(({ text }) => text.replace(/[:,].*/, ''));
  }
}

describe('what can have happened', () => {
  test('the owner and others see it, and the last look of a session that ends does not', () => {
    const c = new Case();
    c.own('/e');
    c.look(c.one, '/e', 1n);
    c.look(c.other, '/e', 1n);
    c.read(true);
    c.look(c.one, '/e', null);
    c.look(c.other, '/e', null);
    expect(c.verdict).toEqual([]);
  });

  test('others do not see it: without a sync, before it is there, or when only a server that is behind answers', () => {
    const c = new Case();
    c.look(c.other, '/e', null);
    c.own('/e');
    c.look(c.other, '/e', null, false);
    c.read(true);
    c.look(c.other, '/e', null);
    c.read(false);
    expect(c.verdict).toEqual([]);
  });

  test('a node whose maker was not answered is there, or not', () => {
    const c = new Case();
    c.own('/e', 'unknown');
    c.own('/f', 'unknown');
    c.look(c.other, '/e', 1n);
    c.look(c.other, '/f', null);
    c.read(true);
    expect(c.verdict).toEqual([]);
  });
});

describe('what cannot', () => {
  test('a node that outlives its session', () => {
    const c = new Case();
    c.own('/e');
    c.owned.push('/e', '/unknown');
    expect(c.verdict).toEqual(['the session is gone', 'the session is gone']);
  });

  test('a node that goes before its session, as the owner sees it', () => {
    const c = new Case();
    c.own('/e');
    c.look(c.one, '/e', null);
    c.read(false);
    expect(c.verdict).toEqual(['the session lives']);
  });

  test('a node that goes before its session, as others see it', () => {
    const c = new Case();
    c.own('/e');
    c.look(c.other, '/e', null);
    c.read(true);
    expect(c.verdict).toEqual(['the session lives']);
  });

  test('a node that belongs to somebody else, or that was refused', () => {
    const c = new Case();
    c.own('/e');
    c.own('/f', 'refused');
    c.look(c.other, '/e', 7n);
    c.look(c.one, '/f', 1n);
    expect(c.verdict).toEqual(['it belongs to 0x7', 'nobody made it']);
  });
});
