/** Transcripts of a session whose servers change. */
import { describe, expect, test } from 'vitest';
import { Desk } from './desk.ts';

const [a, b] = [
  { host: 'a', port: 1 },
  { host: 'b', port: 1 },
];

describe('other servers', () => {
  test('while its server is among them, the session goes on', () => {
    const desk = new Desk().connected();
    desk.lines();
    desk.session.setHosts([b, a], 5);
    desk.get('/x');
    expect(desk.lines()).toEqual(['> getData /x']);
    desk.lost();
    expect(desk.lines()).toEqual(['disconnect', 'get /x ! CONNECTION_LOSS safe', '* disconnected', 'resolve b']);
  });

  test('otherwise it leaves when everything is answered; what comes meanwhile is sent to the next', () => {
    const desk = new Desk().connected();
    desk.set('/x');
    desk.get('/y');
    desk.lines();
    desk.session.setHosts([b], 5);
    desk.set('/z');
    desk.replyStat(1);
    expect(desk.lines()).toEqual(['set /x = 0']);
    desk.reply(1);
    expect(desk.lines()).toEqual(['get /y = data', 'disconnect', '* disconnected', 'resolve b']);
    desk.open().accept();
    expect(desk.lines().slice(1)).toEqual([
      '> hello session 77 password zxid 1 timeout 30000',
      '* connected',
      '> setData /z',
    ]);
  });

  test('at once when nothing is in flight', () => {
    const desk = new Desk().connected();
    desk.lines();
    desk.session.setHosts([b], 5);
    expect(desk.lines()).toEqual(['disconnect', '* disconnected', 'resolve b']);
  });

  test('a server that does not answer is left when it is taken for lost', () => {
    const desk = new Desk().connected();
    desk.set('/x');
    desk.lines();
    desk.session.setHosts([b], 5);
    desk.at(10_000).at(20_000);
    expect(desk.lines()).toEqual([
      '> ping',
      'disconnect',
      'set /x ! CONNECTION_LOSS unknown',
      '* disconnected',
      'resolve b',
    ]);
    desk.open().accept();
    desk.get('/y');
    expect(desk.lines()).toContain('> getData /y');
  });

  test('back again before it has left: it stays', () => {
    const desk = new Desk().connected();
    desk.set('/x');
    desk.lines();
    desk.session.setHosts([b], 5);
    desk.get('/y');
    desk.session.setHosts([a], 6);
    expect(desk.lines()).toEqual(['> getData /y']);
    desk.replyStat(1);
    expect(desk.lines()).toEqual(['set /x = 0']);
  });

  test('an attempt at a server that is gone is given up; a pause between rounds goes on', () => {
    const desk = new Desk();
    desk.session.start(0);
    desk.lines();
    desk.session.setHosts([b], 1);
    expect(desk.lines()).toEqual(['disconnect', 'resolve b']);
    desk.lost();
    desk.lines();
    desk.session.setHosts([a], 2);
    expect(desk.lines()).toEqual([]);
    expect(desk.at(desk.session.wakeAtMs).lines()).toEqual(['resolve a']);
  });

  test('close goes before leaving, with everything that was called before it', () => {
    const desk = new Desk().connected();
    desk.set('/x');
    desk.lines();
    desk.session.setHosts([b], 5);
    desk.set('/y');
    desk.session.close(6, false);
    expect(desk.lines()).toEqual(['> setData /y', '> closeSession']);
    desk.session.setHosts([a], 7);
    desk.replyStat(1).replyStat(2);
    expect(desk.lines()).toEqual(['set /x = 0', 'set /y = 0']);
    desk.reply(3);
    expect(desk.lines()).toEqual(['disconnect', '* closed']);
  });

  test('after the end it means nothing', () => {
    const desk = new Desk().connected();
    desk.session.close(1, true);
    desk.lines();
    desk.session.setHosts([b], 2);
    expect(desk.lines()).toEqual([]);
  });
});
