/** What a persistent recursive watch may tell, and each way in which it may not. */
import { describe, expect, test } from 'vitest';
import { type ChangeCall, type Final, History, type NoticeType } from '../../src/torture/history.ts';
import { judgePursuits } from '../../src/torture/pursuit-judge.ts';
import { finalOf } from './final.ts';

class Case {
  readonly history = new History();
  readonly writer = this.history.openSession(1n);
  readonly pursuit = this.history.openPursuit(this.history.openSession(2n), '/w');
  readonly watched = new Map<string, Final>();

  constructor() {
    this.pursuit.readyZxid = 2n;
    this.pursuit.isOver = true;
  }

  change(act: ChangeCall['act'], path: string, zxid: bigint): void {
    const call = this.history.begin(this.writer, { kind: 'change', path, act });
    call.zxid = zxid;
    this.history.end(call, 'done');
  }

  changeWithoutAnswer(act: ChangeCall['act'], path: string): void {
    const call = this.history.begin(this.writer, { kind: 'change', path, act });
    this.history.end(call, 'unknown', 'CONNECTION_LOSS');
  }

  tell(type: NoticeType, path: string, zxid: bigint | null): void {
    this.pursuit.notices.push({ position: this.history.next(), type, path, zxid });
  }

  /** What the watcher knows and what there is, each as zxids by path. */
  end(known: Record<string, bigint>, there: Record<string, bigint>): void {
    this.pursuit.isOver = false;
    this.pursuit.tree = new Map(Object.entries(known));
    this.history.markZxid = 100n;
    for (const [path, zxid] of Object.entries(there)) {
      this.watched.set(path, { value: '', version: 0, zxid });
    }
  }

  get verdict(): string[] {
    const violations = judgePursuits(this.history, finalOf({ watched: this.watched }));
    return violations.map(({ text }) => text.replace(/[:,].*/, ''));
  }
}

describe('what can have happened', () => {
  test('every change in its order, one whose answer was lost, and the tree', () => {
    const c = new Case();
    c.change('create', '/w/a', 3n);
    c.changeWithoutAnswer('set', '/w/a');
    c.change('delete', '/w/b', 5n);
    c.tell('created', '/w/a', 3n);
    c.tell('data-changed', '/w/a', 4n);
    c.tell('deleted', '/w/b', 5n);
    c.end({ '/w': 1n, '/w/a': 4n }, { '/w/a': 4n });
    expect(c.verdict).toEqual([]);
  });

  test('a gap, behind which the first that is known is what is told', () => {
    const c = new Case();
    c.change('set', '/w/a', 3n);
    c.tell('data-changed', '/w/a', 3n);
    c.tell('gap', '/w', 4n);
    c.change('set', '/w/a', 5n);
    c.change('set', '/w/a', 6n);
    c.tell('data-changed', '/w/a', 6n);
    expect(c.verdict).toEqual([]);
  });

  test('changes before the watch was set, and others, are not told', () => {
    const c = new Case();
    c.change('set', '/w/a', 1n);
    c.change('set', '/w/a', 2n);
    c.change('set', '/x', 3n);
    c.change('set', '/w/a', 4n);
    c.tell('data-changed', '/w/a', 4n);
    expect(c.verdict).toEqual([]);
  });

  test('servers that never name a zxid', () => {
    const c = new Case();
    c.change('set', '/w/a', 3n);
    c.change('set', '/w/a', 4n);
    c.tell('data-changed', '/w/a', null);
    c.tell('data-changed', '/w/a', null);
    c.tell('gap', '/w', 4n);
    expect(c.verdict).toEqual([]);
  });

  test('a call that was given up is done behind the mark', () => {
    const c = new Case();
    c.end({ '/w/a': 50n }, { '/w/a': 101n });
    expect(c.verdict).toEqual([]);
  });
});

describe('what cannot', () => {
  test('what nobody did, or nobody had asked for yet', () => {
    const c = new Case();
    c.tell('data-changed', '/w/a', 3n);
    c.tell('data-changed', '/w/a', 4n);
    c.change('set', '/w/a', 4n);
    expect(c.verdict).toEqual(['told what nobody did', 'told what nobody did']);
  });

  test('a list of children, or a node elsewhere', () => {
    const c = new Case();
    c.change('create', '/w/a', 3n);
    c.change('create', '/wx', 4n);
    c.tell('children-changed', '/w', 3n);
    c.tell('created', '/w/a', 3n);
    c.tell('created', '/wx', 4n);
    expect(c.verdict).toEqual(['told what it was not set for', 'told what it was not set for']);
  });

  test('twice, and late', () => {
    const c = new Case();
    c.change('set', '/w/a', 3n);
    c.change('set', '/w/b', 4n);
    c.tell('data-changed', '/w/b', 4n);
    c.tell('data-changed', '/w/b', 4n);
    c.tell('data-changed', '/w/a', 3n);
    expect(c.verdict).toEqual(['told twice', 'told late']);
  });

  test('a change is left out, between events or in front of a gap', () => {
    const c = new Case();
    c.change('set', '/w/a', 3n);
    c.change('set', '/w/a', 4n);
    c.change('set', '/w/a', 5n);
    c.tell('data-changed', '/w/a', 4n);
    c.tell('gap', '/w', 5n);
    expect(c.verdict).toEqual(['never told', 'never told']);
  });

  test('without a zxid, by a server that names them', () => {
    const c = new Case();
    c.change('set', '/w/a', 3n);
    c.change('set', '/w/a', 4n);
    c.tell('data-changed', '/w/a', 3n);
    c.tell('data-changed', '/w/a', null);
    expect(c.verdict).toEqual(['told without a zxid']);
  });

  test('the mark is not heard of', () => {
    const c = new Case();
    c.pursuit.isOver = false;
    expect(c.verdict).toEqual(['never told']);
  });

  test('the tree is another one', () => {
    const c = new Case();
    c.end({ '/w/a': 50n, '/w/gone': 40n }, { '/w/a': 60n, '/w/new': 30n });
    expect(c.verdict).toEqual([
      'the last thing told of /w/a was 0x32',
      'the last thing told of /w/gone was 0x28',
      'the last thing told of /w/new was no node',
    ]);
  });
});
