/** Requests that come while leadership is to be handed over, and are held until it stays (quorum-protocol.md §7.1). */
import { OpCode } from '@treekeeper/protocol';
import { expect, test } from 'vitest';
import { setData } from '../../src/operations/set-data.ts';
import type { ClientConnection } from '../../src/replica/client-connection.ts';
import { Leading } from '../../src/replica/leading.ts';
import type { Writes } from '../../src/replica/writes.ts';
import { SessionTable } from '../../src/sessions/session-table.ts';
import type { LearnerId } from '../../src/zab/environment.ts';

const SESSION = 5n;
const TIMEOUT_MS = 4000;
const learner = {} as LearnerId;

/** A leader with a session whose client is connected to it. */
function started() {
  const taken: string[] = [];
  const sessions = new SessionTable<ClientConnection>();
  const session = sessions.open(SESSION, TIMEOUT_MS);
  const writes = {
    submit: (_operation: object, _request: object, _id: bigint, _ids: object, _client: object, xid: number) =>
      taken.push(`${xid} done`),
    refuse: (err: number, _operation: object, _id: bigint, _client: object, xid: number) =>
      taken.push(`${xid} refused for ${err}`),
  } as unknown as Writes;
  const leader = { committed: 0, open: false };
  const leading = new Leading(sessions, writes, { leader, sync: () => {} }, 1000);
  leading.resumed(session);
  const forward = (cxid: number) =>
    leading.forwarded(learner, {
      sessionId: SESSION,
      cxid,
      type: OpCode.setData,
      body: Buffer.from([0, 0, 0, 1, 47, 0, 0, 0, 0, 0, 0, 0, 0]),
      authinfo: null,
    });
  const submit = (xid: number) => leading.submit(setData, {}, SESSION, [], { session } as ClientConnection, xid);
  const stay = () => {
    leader.open = true;
    leading.goOn();
  };
  return { leading, taken, forward, submit, stay };
}

test('what comes from where its session is not is refused in the end, though the session is there by then', () => {
  const { leading, taken, forward, submit, stay } = started();
  submit(2);
  forward(1);
  leading.revalidate(learner, SESSION, TIMEOUT_MS);
  forward(3);
  stay();
  expect(taken).toEqual(['2 refused for -118', '1 refused for -118', '3 done']);
});

test('what comes from where its session is is done', () => {
  const { taken, submit, stay } = started();
  submit(1);
  submit(2);
  stay();
  expect(taken).toEqual(['1 done', '2 done']);
});
