/** Who ends a session whose time is over while it becomes global (client-protocol.md §2.7). */
import { expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import type { ClientConnection } from '../../src/replica/client-connection.ts';
import { SessionLife, type SessionPorts } from '../../src/replica/session-life.ts';
import { SessionTable } from '../../src/sessions/session-table.ts';

const TIMEOUT_MS = 4000;
const rules = { ...simulatedOptions.rules, localSessionsUpgradingEnabled: true };

/** A server with a local session that is about to become global, and what it asks for. */
function upgrading(reportsTouches: boolean): { life: SessionLife; asked: string[]; lateMs: number } {
  const asked: string[] = [];
  const clock = { nowMs: 0, wallMs: 0 };
  const sessions = new SessionTable<ClientConnection>();
  const ports = {
    sessions,
    clock,
    reportsTouches,
    isReadOnly: false,
    writes: {
      changesInFlight: 0,
      openSession: () => asked.push('createSession'),
      submit: ({ name }: { name: string }) => asked.push(name),
    },
    log: { info: () => {} },
    instruments: { metrics: createMetrics(), operations: { record: () => {} } },
    shookHands: () => {},
  } as unknown as SessionPorts;
  const life = new SessionLife({ ...simulatedOptions, rules }, ports);
  const session = sessions.openLocal(1n, TIMEOUT_MS);
  life.attach({} as ClientConnection, session, TIMEOUT_MS);
  life.upgrade(session);
  return { life, asked, lateMs: 10 * TIMEOUT_MS };
}

test('a learner leaves it to the leader: its client may be elsewhere by now', () => {
  const { life, asked, lateMs } = upgrading(true);
  life.expireSessions(lateMs);
  expect(asked).toEqual(['createSession']);
});

test('the leader ends it behind its beginning', () => {
  const { life, asked, lateMs } = upgrading(false);
  life.expireSessions(lateMs);
  expect(asked).toEqual(['createSession', 'closeSession']);
});
