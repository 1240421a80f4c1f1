/** What must not go on for ever: replies that cannot be taken, connections that do not last, identities too long. */
import { describe, expect, test } from 'vitest';
import { Desk } from './desk.ts';

describe('a reply that cannot be taken', () => {
  const tooLarge = (desk: Desk): Desk => {
    desk.session.received(desk.connection, Uint8Array.of(0x7f, 0, 0, 0), desk.nowMs);
    return desk;
  };
  const undecodable = (desk: Desk): Desk => desk.reply(1, 0, undefined, desk.next());

  /** `set`'s reply has a Stat, which `undecodable` does not have. */
  test.each([
    ['is too long', tooLarge, 'REPLY_TOO_LARGE'],
    ['does not decode', undecodable, 'INVALID_REPLY'],
  ])('fails the write that it is for when it %s, and is lost for all others', (_, spoil, code) => {
    const desk = new Desk().connected();
    desk.set('/a');
    desk.get('/b');
    desk.set('/c');
    desk.lines();
    expect(spoil(desk).lines().slice(0, 4)).toEqual([
      `set /a ! ${code} unknown`,
      'disconnect',
      'get /b ! CONNECTION_LOSS safe',
      'set /c ! CONNECTION_LOSS unknown',
    ]);
    expect(desk.session.state).toBe('disconnected');
  });

  test('fails a read for good: the same reply would come again', () => {
    const desk = new Desk().connected();
    desk.get('/a');
    desk.set('/b');
    desk.reply(1);
    desk.lines();
    const read = desk.get('/big');
    expect(tooLarge(desk.replyStat(2)).lines()).toContain('get /big ! REPLY_TOO_LARGE');
    expect(read.failure?.message).toContain('the reply has 2130706432 bytes, and this client takes 100000');
  });

  test('is nobody’s failure when nobody waits for it any more', () => {
    const desk = new Desk().connected();
    const read = desk.get('/big', { deadlineMs: 5 });
    desk.get('/next');
    desk.at(5).lines();
    expect(tooLarge(desk).lines()).toContain('get /next ! CONNECTION_LOSS safe');
    expect(read.failure?.code).toBe('TIMEOUT');
  });
});

describe('a connection that does not last', () => {
  const hosts = (names: string) => [...names].map((host) => ({ host, port: 1 }));

  /** Loses the connection when it has served for so long; returns the pause before the next one. */
  function again(desk: Desk, servedMs: number): number {
    desk.nowMs += servedMs;
    const lostMs = desk.nowMs;
    expect(desk.reconnected().session.state).toBe('connected');
    return desk.nowMs - lostMs;
  }

  test('is followed by a pause, longer and longer; one that lasts is followed by none', () => {
    const desk = new Desk().connected();
    const pauses = [0, 0, 99, 0, 0, 0, 0, 0].map((servedMs) => again(desk, servedMs));
    expect(pauses).toEqual([0, 50, 100, 200, 400, 800, 1000, 1000]);
    expect([100, 0, 0].map((servedMs) => again(desk, servedMs))).toEqual([0, 50, 100]);
  });

  test('the next server is tried at once, as long as there is one', () => {
    const desk = new Desk({ hosts: hosts('abc') }).connected();
    expect([0, 0, 0, 0, 0, 0, 0].map((servedMs) => again(desk, servedMs))).toEqual([0, 0, 0, 50, 0, 0, 100]);
  });

  test('one session that two clients fight for is moved about once in a second, not all the time', () => {
    const desk = new Desk().connected();
    let connections = 0;
    for (; desk.nowMs < 20_000; connections++) {
      again(desk, 1);
    }
    expect(connections).toBeLessThan(30);
  });

  test('to another list of servers it goes at once', () => {
    const desk = new Desk().connected();
    again(desk, 0);
    again(desk, 0);
    desk.lines();
    desk.session.setHosts(hosts('b'), desk.nowMs);
    expect(desk.lines()).toEqual(['disconnect', '* disconnected', 'resolve b']);
  });
});

describe('an identity that cannot be sent', () => {
  const tooLong = 'x'.repeat(2000);

  test('fails, and the answers of others stay theirs', () => {
    const desk = new Desk().connected();
    desk.addAuth(tooLong);
    desk.addAuth('one');
    desk.addAuth('two');
    expect(desk.lines().slice(-3)).toEqual([`auth ${tooLong} ! REQUEST_TOO_LARGE`, '> auth one', '> auth two']);
    expect(desk.reply(0, 0, undefined, -4).lines()).toEqual(['auth one = undefined']);
    expect(desk.reply(0, 0, undefined, -4).lines()).toEqual(['auth two = undefined']);
  });

  test('is not tried again, nor does it keep others from being said', () => {
    const desk = new Desk();
    desk.session.start(0);
    desk.addAuth(tooLong);
    desk.addAuth('one');
    const first = desk.open().accept().lines();
    expect(first.slice(-3)).toEqual(['* connected', `auth ${tooLong} ! REQUEST_TOO_LARGE`, '> auth one']);
    desk.lost();
    expect(desk.open().accept().lines().slice(-2)).toEqual(['* connected', '> auth one']);
    desk.addAuth('two');
    expect(desk.reply(0, 0, undefined, -4).lines()).toEqual(['> auth two', 'auth one = undefined']);
    expect(desk.reply(0, 0, undefined, -4).lines()).toEqual(['auth two = undefined']);
  });
});
