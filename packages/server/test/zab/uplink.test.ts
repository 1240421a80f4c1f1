import { expect, test } from 'vitest';
import { SessionTable } from '../../src/sessions/session-table.ts';
import type { Service } from '../../src/zab/environment.ts';
import type { LeaderLink } from '../../src/zab/leader-link.ts';
import { LearnerLink } from '../../src/zab/learner-link.ts';
import { Uplink } from '../../src/zab/uplink.ts';
import { TestLink } from './cluster/one-side.ts';

const SESSION = 0x100000000000001n;
const UNKNOWN = 0x100000000000002n;
const TIMEOUT_MS = 4000;

function world() {
  const sessions = new SessionTable();
  sessions.open(SESSION, TIMEOUT_MS);
  const cutOff: bigint[] = [];
  const answered: [bigint, boolean][] = [];
  const service: Pick<Service, 'homes' | 'takenElsewhere' | 'revalidated'> = {
    homes: sessions,
    takenElsewhere: (id) => cutOff.push(id),
    revalidated: (id, valid) => answered.push([id, valid]),
  };
  const leader = new LearnerLink(new TestLink(), 1 << 20, 0); // stands in for its output
  const uplink = new Uplink(leader as unknown as LeaderLink, service as Service);
  const [one, other] = [new LearnerLink(new TestLink(), 1 << 20, 0), new LearnerLink(new TestLink(), 1 << 20, 0)];
  return { sessions, uplink, one, other, cutOff, answered };
}

test('from the question on a session is where its client has come to: what comes from elsewhere is late', () => {
  const { sessions, uplink, one, other, cutOff } = world();
  uplink.revalidate(one, SESSION, TIMEOUT_MS);
  uplink.revalidated(SESSION, true);
  expect(sessions.isElsewhere(one, SESSION)).toBe(false);
  uplink.revalidate(other, SESSION, TIMEOUT_MS);
  expect(sessions.isElsewhere(one, SESSION)).toBe(true);
  expect(cutOff.at(-1)).toBe(SESSION);
  uplink.revalidated(SESSION, true);
  expect(sessions.isElsewhere(other, SESSION)).toBe(false);
});

test('the answer to an earlier question moves nothing back', () => {
  const { sessions, uplink, one, other, answered } = world();
  uplink.revalidate(one, SESSION, TIMEOUT_MS);
  uplink.revalidate(null, SESSION, TIMEOUT_MS);
  uplink.revalidate(other, SESSION, TIMEOUT_MS);
  uplink.revalidated(SESSION, true);
  uplink.revalidated(SESSION, true);
  expect(answered).toEqual([[SESSION, true]]);
  expect([sessions.isElsewhere(one, SESSION), sessions.isElsewhere(other, SESSION)]).toEqual([true, false]);
});

test('a session that is not known here is known when the leader has vouched for it, and only then', () => {
  const { sessions, uplink, one, other } = world();
  uplink.revalidate(one, UNKNOWN, TIMEOUT_MS);
  expect(sessions.get(UNKNOWN)).toBeUndefined();
  uplink.revalidated(UNKNOWN, false);
  expect(sessions.get(UNKNOWN)).toBeUndefined();
  uplink.revalidate(one, UNKNOWN, TIMEOUT_MS);
  uplink.revalidated(UNKNOWN, true);
  expect(sessions.isElsewhere(other, UNKNOWN)).toBe(true);
});
