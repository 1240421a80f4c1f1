import { expect, test } from 'vitest';
import { ForeignSessions } from '../../src/sessions/foreign-sessions.ts';
import { SessionTable } from '../../src/sessions/session-table.ts';

const KEPT_MS = 1000;
const options = { serverId: 1, maxSessionTimeoutMs: KEPT_MS, localSessionsEnabled: true };

/** The `n`th session that a server makes. */
const idOf = (serverId: number, n: number): bigint => BigInt.asIntN(64, (BigInt(serverId) << 56n) | BigInt(n));

test('a session that is not in the table may be that of any other server', () => {
  const sessions = new SessionTable();
  expect(sessions.mayBeElsewhere(idOf(2, 1))).toBe(false);
  sessions.foreign = ForeignSessions.of(options, { nowMs: 0 });
  expect(sessions.mayBeElsewhere(idOf(2, 1))).toBe(true);
  expect(sessions.mayBeElsewhere(idOf(254, 1))).toBe(true);
  expect(sessions.mayBeElsewhere(idOf(1, 1))).toBe(false);
});

test('where there are no local sessions it is none', () => {
  expect(ForeignSessions.of({ ...options, localSessionsEnabled: false }, { nowMs: 0 })).toBeNull();
});

test('it is not that of a global session that has ended, while requests of it may still come', () => {
  const clock = { nowMs: 0 };
  const sessions = new SessionTable();
  sessions.foreign = ForeignSessions.of(options, clock);
  sessions.open(idOf(2, 1), 5000);
  sessions.close(idOf(2, 1));
  expect(sessions.mayBeElsewhere(idOf(2, 1))).toBe(false);
  clock.nowMs = KEPT_MS;
  sessions.foreign?.ended(idOf(2, 2));
  expect(sessions.foreign?.isOver(idOf(2, 1))).toBe(true);
  clock.nowMs = 2 * KEPT_MS;
  sessions.foreign?.ended(idOf(2, 3));
  expect([1, 2, 3].map((n) => sessions.foreign?.isOver(idOf(2, n)))).toEqual([false, true, true]);
});

test('it forgets what it knew of others when it serves no longer', () => {
  const sessions = new SessionTable();
  sessions.foreign = ForeignSessions.of(options, { nowMs: 0 });
  sessions.ceaseServing();
  expect(sessions.foreign).toBeNull();
});
