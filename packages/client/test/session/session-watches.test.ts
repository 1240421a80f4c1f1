/** Watches over the life of a session, told as transcripts. */
import { EventType } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { Desk, watcher } from './desk.ts';

const NO_NODE = -101;

describe('watches', () => {
  test('set by the answer, used up by the event; exists watches what is not there', () => {
    const desk = new Desk().connected();
    desk.get('/a', { watch: watcher('A') });
    desk.get('/b', { watch: watcher('B') });
    desk.exists('/c', watcher('C'));
    desk.reply(1).reply(1, NO_NODE).reply(1, NO_NODE);
    desk.lines();
    desk.event(EventType.nodeDataChanged, '/a', 5).event(EventType.nodeDataChanged, '/a', 6);
    desk.event(EventType.nodeCreated, '/b', 7).event(EventType.nodeCreated, '/c', 8);
    expect(desk.lines()).toEqual(['A: data-changed /a 5', 'C: created /c 8']);
    expect(desk.session.lastZxid).toBe(1n); // events do not count
  });

  test('set again on the next connection; what that finds out is told once', () => {
    const desk = new Desk().connected();
    desk.get('/a', { watch: watcher('A') });
    desk.exists('/c', watcher('C'));
    desk.reply(7).reply(7, NO_NODE);
    desk.lost();
    desk.lines();
    desk.open().accept();
    expect(desk.lines().at(-1)).toBe('> setWatches 7 data /a exist /c child ');
    desk.event(EventType.nodeDeleted, '/a', -1).event(EventType.nodeDeleted, '/a', -1).reply(9);
    expect(desk.lines()).toEqual(['A: deleted /a null']);
  });

  test('persistent ones: a gap if anything happened meanwhile, none if nothing did', () => {
    for (const [zxid, gap] of [
      [7, []],
      [8, ['R: gap /r 7']],
    ] as const) {
      const desk = new Desk().connected();
      desk.addWatch('/r', watcher('R'));
      desk.reply(7);
      desk.lost();
      desk.lines();
      desk.open().accept();
      expect(desk.lines().at(-1)).toBe('> setWatches2 7 persistent  recursive /r');
      // A one-shot watch on the same path catches up: that is not for the persistent one, which is told of the gap.
      desk.event(EventType.nodeDataChanged, '/r', -1);
      desk.reply(zxid);
      expect(desk.lines()).toEqual(gap);
      desk.event(EventType.nodeCreated, '/r/x', 12).event(EventType.nodeChildrenChanged, '/r', 12);
      expect(desk.lines()).toEqual(['R: created /r/x 12']);
    }
  });

  test('a gap is not forgotten when the connection breaks again before it was told', () => {
    const desk = new Desk().connected();
    desk.addWatch('/r', watcher('R'), 'persistent');
    desk.reply(7);
    desk.lost();
    desk.open().accept();
    desk.lost();
    desk.open().accept();
    desk.lines();
    expect(desk.reply(8).lines()).toEqual(['R: gap /r 7']);
  });

  test('split into frames that a server takes', () => {
    const desk = new Desk({ inFlightMax: 5000, queuedMax: 5000, requestBytesMax: 0xfffff }).connected();
    const paths = Array.from({ length: 3000 }, (_, i) => `/${'n'.repeat(95)}-${i}`);
    for (const path of paths) {
      desk.get(path, { watch: watcher(path) });
    }
    desk.drain();
    for (const _ of paths) {
      desk.reply(1);
    }
    desk.lost();
    desk.open().lines();
    const requests = desk.accept().lines().slice(1);
    expect(requests).toHaveLength(3);
    expect(requests.every((line) => line.length < 140_000)).toBe(true);
    expect(requests.flatMap((line) => /data (\S*)/.exec(line)?.[1]?.split(','))).toEqual(paths);
  });

  test('removed ones are told so; the rest stays', () => {
    const desk = new Desk().connected();
    desk.get('/a', { watch: watcher('A') });
    desk.addWatch('/a', watcher('R'));
    desk.reply(1).reply(1);
    desk.lines();
    expect(desk.session.removeWatches(['data', 'exist'], '/a')).toBe(true);
    expect(desk.lines()).toEqual(['A: removed /a null']);
    expect(desk.session.removeWatches(['recursive'], '/a')).toBe(false);
  });
});
