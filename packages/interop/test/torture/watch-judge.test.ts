/** What one-shot watches may tell, and each way in which they may not. */
import { describe, expect, test } from 'vitest';
import { type ChangeCall, History, type NoticeType, type SightCall } from '../../src/torture/history.ts';
import { judgeWatches } from '../../src/torture/watch-judge.ts';

const NODE = '/w';
const CHILD = '/w/a';

/** Somebody who changes nodes, somebody who watches them. */
class Case {
  readonly history = new History();
  readonly writer = this.history.openSession(1n);
  readonly watcher = this.history.openSession(2n);

  change(act: ChangeCall['act'], zxid: bigint, path = NODE): void {
    const call = this.history.begin(this.writer, { kind: 'change', path, act });
    call.zxid = zxid;
    this.history.end(call, 'done');
  }

  changeWithoutAnswer(act: ChangeCall['act'], path = NODE): void {
    const call = this.history.begin(this.writer, { kind: 'change', path, act });
    this.history.end(call, 'unknown', 'CONNECTION_LOSS');
  }

  changeRefused(act: ChangeCall['act']): void {
    this.history.end(this.history.begin(this.writer, { kind: 'change', path: NODE, act }), 'refused', 'NO_NODE');
  }

  /** `zxid` null: the node is not there. */
  look(zxid: bigint | null, of: SightCall['of'] = 'data', isWatched = false, isSynced = false): SightCall {
    const call = this.history.begin(this.watcher, { kind: 'sight', path: NODE, of, isWatched, isSynced });
    Object.assign(call, { isThere: zxid !== null, zxid: zxid ?? 0n });
    this.history.end(call, 'done');
    return call;
  }

  watch(zxid: bigint | null, of: SightCall['of'] = 'data'): SightCall {
    return this.look(zxid, of, true);
  }

  /** An answer that is about something else, and shows how far the server is. */
  write(zxid: bigint): void {
    const call = this.history.begin(this.watcher, { kind: 'set', key: '/r', value: `${zxid}`, expectedVersion: -1 });
    call.zxid = zxid;
    this.history.end(call, 'done');
  }

  tell(sight: SightCall, type: NoticeType, zxid: bigint | null, path = NODE): void {
    sight.notices.push({ position: this.history.next(), type, path, zxid });
  }

  break(): void {
    this.watcher.breaks.push(this.history.next());
  }

  get verdict(): string[] {
    return judgeWatches(this.history).map(({ text }) => text.replace(/[:,].*/, '').replace(/ at \d+ only/, ' late'));
  }
}

describe('what can have happened', () => {
  test('each event, behind what it tells of or before its answer, and a new watch behind it', () => {
    const c = new Case();
    const sight = c.watch(5n);
    const children = c.watch(4n, 'children');
    c.change('set', 6n);
    c.tell(sight, 'data-changed', 6n);
    const again = c.watch(6n);
    c.change('create', 7n, CHILD);
    c.tell(children, 'children-changed', 7n);
    const last = c.watch(7n, 'children');
    const deletion = c.history.begin(c.writer, { kind: 'change', path: NODE, act: 'delete' });
    c.tell(again, 'deleted', 9n);
    c.tell(last, 'deleted', 9n);
    deletion.zxid = 9n;
    c.history.end(deletion, 'done');
    const missing = c.watch(null);
    c.change('create', 10n);
    c.tell(missing, 'created', 10n);
    c.look(10n);
    expect(c.verdict).toEqual([]);
  });

  test('a watch that nothing has fired, an old answer, and an answer that comes in front of the event', () => {
    const c = new Case();
    const sight = c.watch(5n);
    c.watch(5n, 'children');
    c.change('set', 6n);
    c.look(5n);
    c.write(5n);
    c.tell(sight, 'data-changed', 6n);
    c.look(6n);
    c.write(7n);
    expect(c.verdict).toEqual([]);
    const other = new Case();
    other.watch(5n);
    other.changeRefused('set');
    other.look(5n);
    expect(other.verdict).toEqual([]);
  });

  test('an event of a change whose answer was lost', () => {
    const c = new Case();
    const sight = c.watch(5n);
    c.changeWithoutAnswer('set');
    c.tell(sight, 'data-changed', 6n);
    c.look(6n);
    expect(c.verdict).toEqual([]);
  });

  test('behind a reconnect: one event of many changes, another one than that which came first, no zxid', () => {
    const c = new Case();
    const named = c.watch(2n);
    c.change('set', 3n);
    c.tell(named, 'data-changed', 3n);
    const sight = c.watch(3n);
    c.break();
    c.change('set', 4n);
    c.change('delete', 6n);
    c.change('create', 7n);
    c.tell(sight, 'data-changed', null);
    c.look(7n);
    expect(c.verdict).toEqual([]);
  });

  test('a node that was made and deleted while the connection was away, and then made again', () => {
    const c = new Case();
    const sight = c.watch(null);
    c.break();
    c.change('create', 4n);
    c.change('delete', 5n);
    c.write(6n);
    c.change('create', 7n);
    c.tell(sight, 'created', 7n);
    c.write(8n);
    expect(c.verdict).toEqual([]);
  });

  test('servers that never name a zxid', () => {
    const c = new Case();
    const sight = c.watch(5n);
    c.change('set', 6n);
    c.tell(sight, 'data-changed', null);
    c.look(6n);
    expect(c.verdict).toEqual([]);
  });

  test('a node that was not there for a moment, though what is known of it came before', () => {
    const c = new Case();
    c.change('create', 4n);
    c.changeWithoutAnswer('delete');
    c.watch(null);
    c.write(9n);
    expect(c.verdict).toEqual([]);
  });
});

describe('what was told', () => {
  test('twice', () => {
    const c = new Case();
    const sight = c.watch(5n);
    c.change('set', 6n);
    c.tell(sight, 'data-changed', 6n);
    c.tell(sight, 'data-changed', 6n);
    expect(c.verdict).toEqual(['told twice']);
  });

  test('of something else', () => {
    const c = new Case();
    const [sight, children, missing] = [c.watch(5n), c.watch(5n, 'children'), c.watch(5n)];
    c.change('create', 6n, CHILD);
    c.change('create', 7n, '/other');
    c.tell(sight, 'children-changed', 6n);
    c.tell(children, 'data-changed', 6n);
    c.tell(missing, 'created', 7n, '/other');
    const verdict = c.verdict.filter((text) => text === 'told what it was not set for');
    expect(verdict).toHaveLength(3);
  });

  test('what nobody did, was refused, or was done by a transaction that did something else', () => {
    const c = new Case();
    const sights = [c.watch(5n), c.watch(5n), c.watch(5n)];
    c.tell(sights[0], 'data-changed', 6n);
    c.changeRefused('set');
    c.tell(sights[1], 'data-changed', 6n);
    c.change('create', 6n, CHILD);
    c.changeWithoutAnswer('set');
    c.tell(sights[2], 'data-changed', 6n);
    expect(c.verdict).toEqual(['told what nobody did', 'told what nobody did', 'told what nobody did']);
  });

  test('a change before it was asked for', () => {
    const c = new Case();
    c.tell(c.watch(5n), 'deleted', 6n);
    c.change('delete', 6n);
    c.changeWithoutAnswer('set');
    const early = new Case();
    early.tell(early.watch(5n), 'deleted', 6n);
    early.changeWithoutAnswer('delete');
    expect([c.verdict, early.verdict]).toEqual([['told what nobody did'], ['told what nobody did']]);
  });

  test('what the answer that set it had shown: an event behind its data', () => {
    const c = new Case();
    c.change('set', 6n);
    const sight = c.watch(6n);
    c.tell(sight, 'data-changed', 6n);
    expect(c.verdict).toEqual(['told what had been seen already']);
  });

  test('a later change instead of the first', () => {
    const c = new Case();
    const sight = c.watch(5n);
    c.change('set', 6n);
    c.change('set', 7n);
    c.tell(sight, 'data-changed', 7n);
    expect(c.verdict).toEqual(['told of a later change']);
    const missing = new Case();
    const absent = missing.watch(null);
    missing.change('create', 6n);
    missing.change('delete', 7n);
    missing.change('create', 8n);
    missing.tell(absent, 'created', 8n);
    expect(missing.verdict).toEqual(['told of a later change']);
  });

  test('without a zxid, though the connection never broke', () => {
    const c = new Case();
    const [named, unnamed] = [c.watch(5n), c.watch(5n)];
    c.change('set', 6n);
    c.tell(named, 'data-changed', 6n);
    c.tell(unnamed, 'data-changed', null);
    expect(c.verdict).toEqual(['told as if after a reconnect']);
  });
});

describe('what was not told in time', () => {
  test('an answer that shows the change comes first', () => {
    const c = new Case();
    const sight = c.watch(5n);
    c.change('set', 6n);
    c.look(6n);
    c.tell(sight, 'data-changed', 6n);
    expect(c.verdict).toEqual(['told late']);
  });

  test('an answer that shows a later change of something else comes first', () => {
    const c = new Case();
    const sight = c.watch(5n);
    c.change('set', 6n);
    c.write(7n);
    c.tell(sight, 'data-changed', 6n);
    expect(c.verdict).toEqual(['told late']);
  });

  test.each([
    ['data', 'set', 6n, NODE],
    ['data', 'delete', null, NODE],
    ['children', 'create', 6n, CHILD],
    ['children', 'delete', null, NODE],
  ] as const)('never: a watch of %s, %s', (of, act, seen, path) => {
    const c = new Case();
    c.watch(5n, of);
    c.change(act, 6n, path);
    c.look(seen, of);
    expect(c.verdict).toEqual(['never told']);
  });

  test('never: a node was made, and seen', () => {
    const c = new Case();
    c.watch(null);
    c.break();
    c.changeWithoutAnswer('create');
    c.look(6n, 'children');
    expect(c.verdict).toEqual(['never told']);
  });

  test('never, over a reconnect', () => {
    const c = new Case();
    c.watch(5n);
    c.break();
    c.change('set', 6n);
    c.write(8n);
    expect(c.verdict).toEqual(['never told']);
  });

  test('never: a node was made and deleted, and the connection was there', () => {
    const c = new Case();
    c.watch(null);
    c.change('create', 6n);
    c.change('delete', 7n);
    c.write(8n);
    expect(c.verdict).toEqual(['never told']);
  });

  test('never: somebody finds no children to list, for there is no node', () => {
    const c = new Case();
    c.watch(5n);
    c.changeWithoutAnswer('delete');
    const call = c.history.begin(c.watcher, {
      kind: 'sight',
      path: NODE,
      of: 'children',
      isWatched: false,
      isSynced: false,
    });
    c.history.end(call, 'refused', 'NO_NODE');
    expect(c.verdict).toEqual(['never told']);
  });
});

describe('looks behind a sync', () => {
  test('that show what is known, or something later', () => {
    const c = new Case();
    c.change('set', 6n);
    c.look(6n, 'data', false, true);
    c.look(7n, 'data', false, true);
    c.look(5n, 'data', false, false);
    c.changeWithoutAnswer('delete');
    c.look(null, 'data', false, true);
    c.change('delete', 9n);
    c.look(null, 'data', false, true);
    c.look(10n, 'data', false, true);
    expect(c.verdict).toEqual([]);
  });

  test('that show less', () => {
    const c = new Case();
    c.change('set', 6n);
    c.look(5n, 'data', false, true);
    c.look(null, 'data', false, true);
    c.change('delete', 9n);
    c.look(8n, 'data', false, true);
    expect(c.verdict).toEqual(['stale', 'gone', 'stale']);
  });
});
