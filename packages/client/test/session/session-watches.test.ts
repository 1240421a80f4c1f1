/** Watches over the life of a session, told as transcripts. */
import { EventType } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import type { SessionConfig } from '../../src/session/types.ts';
import { Desk, watcher } from './desk.ts';

const NO_NODE = -101;
const THROTTLED_OP = -127;
const REQUIRE_AUTH = -124;

/** Paths of data watches in transcripts of setWatches. */
function pathsOf(lines: readonly string[]): string[] {
  return lines.flatMap((line) => /data (\S*)/.exec(line)?.[1]?.split(',') ?? []);
}

/** Connected, with so many data watches. */
function watching(paths: readonly string[], config: Partial<SessionConfig> = {}): Desk {
  const desk = new Desk(config).connected();
  for (const path of paths) {
    desk.get(path, { watch: watcher(path) });
    desk.reply(7);
  }
  desk.lines();
  return desk;
}

const manyPaths = Array.from({ length: 600 }, (_, i) => `/node-with-a-name-of-some-forty-bytes-${i}`);

describe('setting them again', () => {
  test('goes in requests that this client may send', () => {
    const desk = watching(manyPaths, { requestBytesMax: 1024 });
    const lines = desk.lost().open().accept().lines();
    expect(pathsOf(lines)).toEqual(manyPaths);
    expect(Math.max(...desk.frameBytes())).toBeLessThanOrEqual(1024);
  });

  test.each([20_000, 2000])(
    'a server that takes %d bytes and closes at more gets less at a time, and then all',
    (max) => {
      const desk = watching(manyPaths, { requestBytesMax: 0xfffff });
      let lines: string[] = [];
      let connections = 0;
      do {
        expect(++connections).toBeLessThan(10);
        lines = desk.reconnected().lines();
      } while (desk.frameBytes().some((sizeBytes) => sizeBytes > max));
      expect(pathsOf(lines)).toEqual(manyPaths);
      while (desk.xids.length > 0) {
        desk.reply(9);
      }
      expect(desk.get('/').phase).toBe('sent');
    },
  );

  test('goes on from where all of them were set the last time', () => {
    const desk = watching(manyPaths, { requestBytesMax: 0xfffff });
    const zxids = (lines: readonly string[]) => lines.flatMap((line) => /^> setWatches (\d+)/.exec(line)?.[1] ?? []);
    expect(zxids(desk.reconnected().lines())).toEqual(['7']);
    desk.reply(9);
    expect(zxids(desk.reconnected().lines())).toEqual(['9']);
    expect(zxids(desk.reconnected().lines())).toEqual(['9', '9']); // smaller ones
    desk.reply(20).lines(); // the first half is set; the other has seen nothing since 9
    expect(zxids(desk.reconnected().lines())).toEqual(['9', '9', '9', '9']);
    desk.reply(21).reply(22).reply(23).reply(24);
    expect(zxids(desk.reconnected().lines())).toEqual(['24', '24', '24', '24']);
  });

  test('refused, whatever for, costs the connection: without them it is of no use', () => {
    const desk = new Desk().connected();
    desk.addWatch('/r', watcher('R'));
    desk.reply(7);
    desk.lost().open().accept().lines();
    expect(desk.reply(8, THROTTLED_OP).lines()).toEqual(['disconnect', '* disconnected']);
    expect(desk.session.faults).toContain('the watches could not be set again: THROTTLED_OP');
    desk.at(desk.session.wakeAtMs).open().accept();
    expect(desk.lines().at(-1)).toBe('> setWatches2 7 persistent  recursive /r');
    expect(desk.reply(8).lines()).toEqual(['R: gap /r 7']);
  });

  test('a server that wants a login before it ends the session, as with every request', () => {
    const desk = watching(['/a']);
    desk.lost().open().accept().lines();
    expect(desk.reply(8, REQUIRE_AUTH).lines()).toEqual(['disconnect', '* auth-failed', '/a: lost /a null']);
  });

  test('is possible for every watch that is taken', () => {
    const longest = `/${'n'.repeat(1000 - 36 - 4 - 1)}`;
    const desk = new Desk({ requestBytesMax: 1000 }).connected();
    desk.lines();
    desk.get(`${longest}n`, { name: 'long', watch: watcher('L') });
    expect(desk.lines()).toEqual(['long ! REQUEST_TOO_LARGE']);
    desk.get(`${longest}n`, { name: 'unwatched' });
    desk.get(longest, { name: 'fits', watch: watcher('F') });
    expect(desk.reply(1).reply(1).lines().slice(2)).toEqual(['unwatched = data', 'fits = data']);
    expect(pathsOf(desk.lost().open().accept().lines())).toEqual([longest]);
    expect(desk.frameBytes()[0]).toBeLessThanOrEqual(1000);
  });
});

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
    desk.reconnected().lines();
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
    expect(requests).toHaveLength(10);
    expect(requests.every((line) => line.length < 33_000)).toBe(true);
    expect(pathsOf(requests)).toEqual(paths);
  });

  test('removed ones are told so; the rest stays', () => {
    const desk = new Desk().connected();
    desk.get('/a', { watch: watcher('A') });
    desk.addWatch('/a', watcher('R'));
    desk.reply(1).reply(1);
    desk.lines();
    expect(desk.session.removeWatches(['data', 'exist'], '/a')).toBe(true);
    expect(desk.lines()).toEqual(['A: removed /a null']);
    desk.get('/a', { watch: watcher('B') });
    expect(desk.session.removeWatches(['recursive'], '/a'), 'one is on its way').toBe(true);
    desk.reply(1, NO_NODE);
    expect(desk.session.removeWatches([], '/a')).toBe(false);
  });
});
