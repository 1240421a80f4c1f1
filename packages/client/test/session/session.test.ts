/** The session as a machine, told as transcripts: `>` goes to the server, `*` is a state, the rest is for the driver. */
import { EventType } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Desk, PASSWORD, saslReply, watcher } from './desk.ts';

const NO_NODE = -101;

describe('a connection', () => {
  test('resolve, connect, introduction; then what waited, in its order', () => {
    const desk = new Desk();
    desk.session.start(0);
    desk.get('/a');
    desk.set('/b');
    desk.open().accept();
    desk.reply(5).replyStat(6);
    expect(desk.lines()).toEqual([
      'resolve a',
      'connect a:1 at 10.0.0.1',
      '> hello session 0 zxid 0 timeout 30000',
      '* connected',
      '> getData /a',
      '> setData /b',
      'get /a = data',
      'set /b = 0',
    ]);
    expect(desk.session.sessionId).toBe(77n);
    expect(desk.session.lastZxid).toBe(6n);
  });

  test('one write for all requests between two visits', () => {
    const desk = new Desk().connected();
    desk.lines();
    for (let i = 0; i < 100; i++) {
      desk.get(`/${i}`);
    }
    expect(desk.lines()).toHaveLength(100);
    expect(desk.sent.length).toBeGreaterThan(100 * 10);
    expect(desk.session.takeBytes()).toBeNull();
  });

  test('lost: the session is resumed with id, password and zxid; what was sent is lost, reads safely', () => {
    const desk = new Desk().connected();
    desk.get('/a');
    desk.reply(9);
    desk.get('/b');
    desk.set('/c');
    desk.lines();
    desk.lost();
    desk.get('/d');
    desk.open().accept();
    expect(desk.lines()).toEqual([
      'disconnect',
      'get /b ! CONNECTION_LOSS safe',
      'set /c ! CONNECTION_LOSS unknown',
      '* disconnected',
      'resolve a',
      'connect a:1 at 10.0.0.1',
      '> hello session 77 password zxid 9 timeout 30000',
      '* connected',
      '> getData /d',
    ]);
  });

  test('servers in turn, each resolved anew; pauses only between rounds, and growing', () => {
    const hosts = ['a', 'b'].map((host) => ({ host, port: 1 }));
    const desk = new Desk({ hosts });
    desk.session.start(0);
    desk.drain();
    desk.lost();
    desk.drain();
    desk.lost();
    expect(desk.lines()).toEqual(['resolve a', 'disconnect', 'resolve b', 'disconnect']);
    expect(desk.session.wakeAtMs).toBe(50);
    expect(desk.at(50).lines()).toEqual(['resolve a']);
    desk.lost();
    desk.drain();
    desk.lost();
    desk.drain();
    expect(desk.session.wakeAtMs).toBe(50 + 100);
    expect(desk.session.faults).toBe('a:1: cut; b:1: cut');
  });

  test('an attempt that takes too long is given up', () => {
    const desk = new Desk({ hosts: ['a', 'b', 'c'].map((host) => ({ host, port: 1 })) });
    desk.session.start(0);
    desk.open();
    desk.lines();
    expect(desk.session.wakeAtMs).toBe(10_000); // a third of the timeout for each
    expect(desk.at(10_000).lines()).toEqual(['disconnect', 'resolve b']);
    desk.session.resolved(desk.connection, [], 10_001);
    expect(desk.lines()).toEqual(['disconnect', 'resolve c']);
  });

  test('an only server that forgets a connection does not cost the session', () => {
    const desk = new Desk().connected();
    desk.lost();
    desk.open();
    desk.lines();
    expect(desk.session.wakeAtMs).toBe(10_000); // a third of the timeout
    expect(desk.at(10_000).lines()).toEqual(['disconnect']);
    expect(desk.at(desk.session.wakeAtMs).lines()).toEqual(['resolve a']);
    expect(desk.open().accept().session.state).toBe('connected');
    expect(desk.session.sessionId).toBe(77n);
  });

  test('inputs of earlier connections mean nothing', () => {
    const desk = new Desk().connected();
    const old = desk.connection;
    desk.lost();
    desk.open();
    desk.lines();
    desk.session.received(old, Buffer.from('junk'), 0);
    desk.session.failed(old, 'late', 0);
    desk.session.opened(old, 0);
    desk.session.resolved(old, ['1.2.3.4'], 0);
    expect(desk.lines()).toEqual([]);
    expect(desk.accept().session.state).toBe('connected');
  });

  test('a refusal in place of an answer: the next server', () => {
    const desk = new Desk({ readOnly: true });
    desk.session.start(0);
    desk.open();
    desk.lines();
    desk.reply(0, -119, undefined, 0);
    desk.drain();
    expect(desk.session.faults).toBe('a:1: the server refused: NOT_READ_ONLY');
  });

  test('a reply out of order, one whose header does not decode, and an impossible length cost the connection', () => {
    for (const spoil of [
      (desk: Desk) => desk.reply(1, 0, undefined, 4711),
      (desk: Desk) => {
        desk.feed((writer) => writer.int(1));
        return desk;
      },
      (desk: Desk) => {
        desk.session.received(desk.connection, Uint8Array.of(0xff, 0, 0, 0), 0);
        return desk;
      },
    ]) {
      const desk = new Desk().connected();
      desk.set('/a');
      desk.lines();
      expect(spoil(desk).lines()).toContain('set /a ! CONNECTION_LOSS unknown');
      expect(desk.session.state).toBe('disconnected');
    }
  });

  test('the refusal of an unknown operation overtakes', () => {
    const desk = new Desk().connected();
    desk.get('/a');
    desk.get('/b');
    desk.lines();
    const second = desk.xids[1] as number;
    expect(desk.reply(-1, -6, undefined, second).lines()).toEqual(['get /b ! UNIMPLEMENTED']);
    expect(desk.lost().lines()).toContain('get /a ! CONNECTION_LOSS safe');
  });
});

describe('time', () => {
  test('a ping after a third of the timeout without a word, and only then', () => {
    const desk = new Desk().connected();
    desk.lines();
    expect(desk.at(9_999).lines()).toEqual([]);
    expect(desk.at(10_000).lines()).toEqual(['> ping']);
    desk.nowMs = 12_000;
    desk.get('/a');
    desk.lines();
    expect(desk.at(20_000).lines()[0]).not.toBe('> ping');
  });

  test('silence of the server for two thirds ends the connection', () => {
    const desk = new Desk().connected();
    desk.at(10_000).at(19_999);
    desk.lines();
    expect(desk.at(20_000).lines()).toEqual(['disconnect', '* disconnected', 'resolve a']);
  });

  test('deadlines: unsent requests and reads are safe to repeat, sent writes are not', () => {
    const desk = new Desk({ inFlightMax: 2 }).connected();
    desk.set('/sent', '', { deadlineMs: 100 });
    desk.get('/read', { deadlineMs: 200 });
    desk.set('/waiting', '', { deadlineMs: 50 });
    desk.set('/later', '', { deadlineMs: 5000 });
    desk.lines();
    expect(desk.session.wakeAtMs).toBe(50);
    expect(desk.at(50).lines()).toEqual(['set /waiting ! TIMEOUT safe']);
    expect(desk.session.wakeAtMs).toBe(100);
    expect(desk.at(300).lines()).toEqual(['set /sent ! TIMEOUT unknown', 'get /read ! TIMEOUT safe']);
    // Their answers come all the same, and are nobody's.
    expect(desk.replyStat(1).lines()).toEqual(['> setData /later']);
    expect(desk.reply(2).replyStat(3).lines()).toEqual(['set /later = 0']);
  });

  test('expiry by the own clock, if wanted', () => {
    const desk = new Desk({ expireByOwnClock: true }).connected();
    desk.lost();
    desk.lines();
    desk.at(10_000).at(20_000).at(30_000);
    expect(desk.session.state).toBe('disconnected');
    desk.lines();
    expect(desk.at(40_000).lines()).toEqual(['* expired']);
    const waiting = new Desk().connected();
    waiting.lost().at(1_000_000);
    expect(waiting.session.state).toBe('disconnected');
  });
});

describe('limits', () => {
  test('requests in flight, requests waiting, bytes of a request', () => {
    const desk = new Desk({ inFlightMax: 2, queuedMax: 1 }).connected();
    desk.lines();
    for (const path of ['/a', '/b', '/c', '/d']) {
      desk.get(path);
    }
    desk.set('/e', 'x'.repeat(1000));
    expect(desk.lines()).toEqual(['get /d ! QUEUE_FULL', 'set /e ! QUEUE_FULL', '> getData /a', '> getData /b']);
    expect(desk.reply(1).lines()).toEqual(['get /a = data', '> getData /c']);
    const other = new Desk().connected();
    other.lines();
    other.set('/e', 'x'.repeat(1000));
    other.get('/a');
    expect(other.lines()).toEqual(['set /e ! REQUEST_TOO_LARGE', '> getData /a']);
  });

  test('a frame as long as allowed is sent', () => {
    const desk = new Desk().connected();
    desk.lines();
    // Behind the length: xid, opcode, path (4 + 2), data (4 + n), version.
    desk.set('/e', 'x'.repeat(1000 - 8 - 6 - 4 - 4));
    expect(desk.lines()).toEqual(['> setData /e']);
    desk.set('/e', 'x'.repeat(1000 - 8 - 6 - 4 - 4 + 1));
    expect(desk.lines()).toEqual(['set /e ! REQUEST_TOO_LARGE']);
  });
});

describe('expiry', () => {
  test('close: everything that waits fails, watches are lost', () => {
    const desk = new Desk().connected();
    desk.get('/w', { watch: watcher('W') });
    desk.reply(1);
    desk.lost();
    desk.get('/a');
    desk.lines();
    expect(desk.open().gone().lines().slice(2)).toEqual([
      'disconnect',
      '* expired',
      'get /a ! SESSION_EXPIRED',
      'W: lost /w null',
    ]);
    desk.get('/late');
    expect(desk.lines()).toEqual(['get /late ! SESSION_EXPIRED']);
    desk.session.close(0, false);
    expect(desk.lines()).toEqual(['* closed']);
  });

  test('new-session: goes on with another one, and with the watches', () => {
    const desk = new Desk({ onExpired: 'new-session' }).connected();
    desk.get('/w', { watch: watcher('W') });
    desk.reply(4);
    desk.lost();
    desk.set('/a');
    desk.open().lines();
    desk.gone();
    desk.open().accept({ sessionId: 78n });
    expect(desk.lines()).toEqual([
      'disconnect',
      'set /a ! SESSION_EXPIRED',
      '* expired',
      '* connecting',
      'resolve a',
      'connect a:1 at 10.0.0.1',
      '> hello session 0 zxid 4 timeout 30000',
      '* connected',
      '> setWatches 4 data /w exist  child ',
    ]);
    expect(desk.session.sessionId).toBe(78n);
  });

  test('another id than the one asked for is an expiry as well', () => {
    const desk = new Desk({ session: { id: 5n, password: PASSWORD } });
    desk.session.start(0);
    desk.open().accept({ sessionId: 6n });
    expect(desk.session.state).toBe('expired');
  });
});

describe('identities', () => {
  test('said first on every connection, and answered apart from the rest', () => {
    const desk = new Desk();
    desk.session.start(0);
    desk.addAuth('one');
    desk.open().accept();
    desk.addAuth('two');
    desk.get('/a');
    expect(desk.lines().slice(3)).toEqual(['* connected', '> auth one', '> auth two', '> getData /a']);
    desk.reply(0, 0, undefined, -4);
    expect(desk.lines()).toEqual(['auth one = undefined']);
    desk.lost();
    desk.open().accept();
    expect(desk.lines().slice(-3)).toEqual(['* connected', '> auth one', '> auth two']);
    desk.reply(0, 0, undefined, -4).reply(0, 0, undefined, -4);
    expect(desk.lines()).toEqual(['auth two = undefined']);
  });

  test('refused: the end', () => {
    const desk = new Desk().connected();
    desk.addAuth('bad');
    desk.get('/a');
    desk.lines();
    expect(desk.reply(0, -115, undefined, -4).lines()).toEqual([
      'auth bad ! AUTH_FAILED',
      'disconnect',
      '* auth-failed',
      'get /a ! AUTH_FAILED',
    ]);
  });

  test('a server that wants authentication first: told, and no endless reconnecting', () => {
    const desk = new Desk().connected();
    desk.get('/a');
    desk.lines();
    expect(desk.reply(0, -124).lines()).toEqual([
      'get /a ! SESSION_CLOSED_REQUIRE_AUTH',
      'disconnect',
      '* auth-failed',
    ]);
  });

  test('SASL before everything else', () => {
    const desk = new Desk({ sasl: true });
    desk.session.start(0);
    desk.get('/a');
    desk.open().accept();
    expect(desk.lines().slice(3)).toEqual(['sasl a -']);
    desk.session.saslToken(desk.connection, Buffer.from('t1'), 0);
    expect(desk.lines()).toEqual(['> sasl t1']);
    desk.reply(0, 0, saslReply('c1'));
    expect(desk.lines()).toEqual(['sasl a c1']);
    desk.session.saslDone(desk.connection, 0);
    expect(desk.lines()).toEqual(['* connected', '> getData /a']);
  });

  test('SASL: a server may end without a word, once it need not prove anything more (GSSAPI)', () => {
    const desk = new Desk({ sasl: true });
    desk.session.start(0);
    desk.open().accept();
    desk.session.saslToken(desk.connection, Buffer.from('t1'), 0, true);
    desk.lines();
    expect(desk.reply(0, 0, saslReply(null)).lines()).toEqual(['* connected']);
    const refused = new Desk({ sasl: true });
    refused.session.start(0);
    refused.open().accept();
    refused.session.saslToken(refused.connection, Buffer.from('t1'), 0, true);
    refused.lines();
    expect(refused.reply(0, -115).lines()).toEqual(['disconnect', '* auth-failed']);
  });

  test.each([
    ['refused', (desk: Desk) => desk.reply(0, -115)],
    ['a server without SASL', (desk: Desk) => desk.reply(0, 0, saslReply(null))],
    [
      'a mechanism that fails',
      (desk: Desk) => {
        desk.session.saslFailed(desk.connection, 'no ticket', 0);
        return desk;
      },
    ],
  ])('SASL, %s: the end', (_, fail) => {
    const desk = new Desk({ sasl: true });
    desk.session.start(0);
    desk.open().accept();
    desk.session.saslToken(desk.connection, Buffer.from('t1'), 0);
    desk.lines();
    expect(fail(desk).lines()).toEqual(['disconnect', '* auth-failed']);
  });
});

describe('read-only servers', () => {
  test('served by one, another is looked for and taken', () => {
    const hosts = ['a', 'b'].map((host) => ({ host, port: 1 }));
    const desk = new Desk({ hosts, readOnly: true });
    desk.session.start(0);
    desk.open().accept({ readOnly: true });
    expect(desk.lines().slice(2)).toEqual(['> hello session 0 zxid 0 timeout 30000 ro', '* connected-read-only']);
    expect(desk.at(100).lines()).toEqual(['ask b']);
    desk.session.probed(desk.probe, 'ro', 150);
    expect(desk.session.wakeAtMs).toBe(250);
    expect(desk.at(250).lines()).toEqual(['ask a']);
    desk.session.probed(desk.probe, null, 300);
    expect(desk.at(500).lines()).toEqual(['ask b']);
    desk.session.probed(desk.probe, 'rw', 510);
    // A read-only server's session is nothing elsewhere.
    desk.open().accept({ sessionId: 99n });
    expect(desk.lines()).toEqual([
      'disconnect',
      '* disconnected',
      'resolve b',
      'connect b:1 at 10.0.0.1',
      '> hello session 0 zxid 0 timeout 30000 ro',
      '* connected',
    ]);
  });
});

test('a server that gives no session is passed over, and not asked again at once', () => {
  const desk = new Desk({ onExpired: 'new-session' });
  desk.session.start(0);
  desk.open().gone();
  expect(desk.lines().slice(-1)).toEqual(['disconnect']);
  expect(desk.session.state).toBe('connecting');
  expect(desk.session.faults).toContain('it gives no session');
  expect(desk.session.wakeAtMs).toBeGreaterThan(0);
  expect(desk.at(1000).lines()).toEqual(['resolve a']);
});

describe('close', () => {
  test('says goodbye behind what was asked before, and takes nothing more', () => {
    const desk = new Desk().connected();
    desk.set('/a');
    desk.lines();
    desk.session.close(0, false);
    desk.get('/late');
    expect(desk.lines()).toEqual(['get /late ! CLOSED', '> closeSession']);
    expect(desk.replyStat(1).lines()).toEqual(['set /a = 0']);
    expect(desk.reply(2).lines()).toEqual(['disconnect', '* closed']);
  });

  test('the answer ends it; so does its absence', () => {
    const desk = new Desk().connected();
    desk.lines();
    desk.session.close(0, false);
    expect(desk.lines()).toEqual(['> closeSession']);
    expect(desk.reply(1).lines()).toEqual(['disconnect', '* closed']);
    const silent = new Desk().connected();
    silent.lines();
    silent.session.close(0, false);
    silent.lines();
    expect(silent.at(2000).lines()).toEqual(['disconnect', '* closed']);
    expect(silent.session.wakeAtMs).toBe(Number.POSITIVE_INFINITY);
  });

  test('without a server, or to keep the session, there is no goodbye', () => {
    const desk = new Desk().connected();
    desk.lines();
    desk.session.close(0, true);
    expect(desk.lines()).toEqual(['disconnect', '* closed']);
    const away = new Desk();
    away.session.start(0);
    away.get('/a');
    away.lines();
    away.session.close(0, false);
    expect(away.lines()).toEqual(['disconnect', '* closed', 'get /a ! CLOSED']);
  });
});

test('however the server’s bytes are cut, the session does the same', () => {
  const bytesOf = (desk: Desk): Buffer[] => {
    const chunks: Buffer[] = [];
    const received = desk.session.received.bind(desk.session);
    desk.session.received = (_connection, bytes) => void chunks.push(Buffer.from(bytes));
    desk.reply(3, 0, undefined, 1).replyStat(4);
    desk.event(EventType.nodeDeleted, '/a', 5).reply(6, NO_NODE, undefined, 3);
    desk.session.received = received;
    return chunks;
  };
  const prepared = (): Desk => {
    const desk = new Desk().connected();
    desk.get('/a', { watch: watcher('A') });
    desk.set('/b');
    desk.get('/c');
    desk.lines();
    desk.xids = [2];
    return desk;
  };
  const stream = Buffer.concat(bytesOf(prepared()));
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
      const desk = prepared();
      const edges = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
      for (let i = 1; i < edges.length; i++) {
        desk.session.received(desk.connection, Buffer.from(stream.subarray(edges[i - 1], edges[i])), 0);
      }
      expect(desk.lines()).toEqual(['get /a = data', 'set /b = 0', 'A: deleted /a 5', 'get /c ! NO_NODE']);
    }),
  );
});
