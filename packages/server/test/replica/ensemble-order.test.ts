/** Answers in an ensemble come in the order of requests, whatever the servers have to say to each other meanwhile. */
import { expect, test } from 'vitest';
import { TestEnsemble } from './ensemble.ts';
import { create, exists, sync } from './requests.ts';

test('a write that is committed before the leader has confirmed a sync does not overtake it', () => {
  const ensemble = new TestEnsemble(3);
  const { leader } = ensemble;
  const client = leader.client();
  const leadership = leader.running.member?.peer.leadership;
  Object.assign(leadership as object, { sync: () => {} }); // its confirmation is still on its way
  const sent = [sync('/'), exists('/made'), create('/made'), exists('/made')].map((request) => client.send(request));
  ensemble.settle();
  const lines = client.lines();
  expect(lines.map(([xid]) => xid)).toEqual(sent);
  expect(lines.map(([, , err]) => err)).toEqual([0, -101, 0, 0]);
});

test('a connection whose session is elsewhere is closed without a word, also of what was asked behind a write', () => {
  const ensemble = new TestEnsemble(3);
  const [follower] = ensemble.learners;
  const client = follower.client();
  const session = ensemble.leader.running.world.sessions.get(client.wire.sessionId);
  Object.assign(session as object, { home: {} });
  for (const request of [create('/refused'), exists('/'), sync('/'), create('/refused as well'), exists('/')]) {
    client.send(request);
  }
  ensemble.settle();
  expect(client.lines()).toEqual([]);
  expect(client.closed).toBe(true);
});
