/** Full disks in an ensemble: who leads then, whose sessions expire, and what is kept in memory. */
import { describe, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { expectSameTrees, TestEnsemble, type TestMember } from './ensemble.ts';
import { create, exists } from './requests.ts';

const EPHEMERAL = 1;
const NOT_READ_ONLY = -119;
/** A tenth of a second more than it takes to try a full disk again. */
const RETRY_MS = 1100;

const said = ({ messages }: TestMember, text: string): number =>
  messages.filter((message) => message.includes(text)).length;

describe('a leader whose disk is full', () => {
  test('gives leadership away when the others can go on without it, and follows when there is space', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    const [follower] = ensemble.learners;
    const owner = follower.client(4000);
    expect(owner.err(create('/owned', { flags: EPHEMERAL }))).toBe(0);
    const client = follower.client(40_000);
    leader.disk.full = true;
    expect(client.err(create('/written')), 'by the others').toBe(0);
    ensemble.advance(RETRY_MS);
    expect(ensemble.leader.id).not.toBe(leader.id);
    expect(said(leader, 'leadership is given away')).toBe(1);
    owner.disconnect();
    const other = follower.resume(client);
    ensemble.advance(10_000);
    expect(other.err(exists('/owned')), 'its session has expired').not.toBe(0);
    expect(other.err(create('/later'))).toBe(0);
    expect(leader.running.serving).toBe(false);
    leader.disk.full = false;
    ensemble.untilServing();
    expect(leader.client().err(exists('/later'))).toBe(0);
    expectSameTrees(ensemble);
  });

  test('follows who leads when there is space, whoever that was at first', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    leader.disk.full = true;
    ensemble.learners[0].client(40_000);
    ensemble.advance(RETRY_MS);
    const second = ensemble.leader;
    expect(second.id).not.toBe(leader.id);
    ensemble.advance(60_000);
    const [third] = ensemble.learners.filter((member) => member !== leader);
    expect(second.running.member?.handOver(third.id)).toBe(true);
    ensemble.advance(1000);
    expect(ensemble.leader.id).toBe(third.id);
    leader.disk.full = false;
    ensemble.advance(RETRY_MS + 500);
    expect(leader.running.serving).toBe(true);
    expectSameTrees(ensemble);
  });

  test('stays when it is needed for a quorum, and goes on serving reads', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    const [follower, gone] = ensemble.learners;
    gone.kill();
    const [own, other] = [leader.client(40_000), follower.client(40_000)];
    expect(own.err(create('/before'))).toBe(0);
    leader.disk.full = true;
    other.send(create('/waits'));
    ensemble.advance(RETRY_MS);
    expect(own.err(create('/refused'))).toBe(NOT_READ_ONLY);
    ensemble.advance(20_000);
    expect(ensemble.leader.id).toBe(leader.id);
    expect(said(leader, 'leadership'), 'it does not try').toBe(0);
    expect(own.err(exists('/before'))).toBe(0);
    leader.disk.full = false;
    ensemble.advance(RETRY_MS);
    expect(own.err(exists('/waits'))).toBe(0);
    gone.start();
    ensemble.untilServing();
    expectSameTrees(ensemble);
  });
});

describe('more waits for space than is kept in memory', () => {
  const LIMIT = 20;
  const BYTES = 10_000;
  const { storage } = simulatedOptions;
  const few = { storage: { ...storage, fullLogTxnsMax: LIMIT } };
  const small = { storage: { ...storage, fullLogBytesMax: LIMIT * BYTES } };

  /** Sends writes until they are too many, and returns what the server in question says before and after that. */
  function fill(ensemble: TestEnsemble, writer: TestMember, full: TestMember): readonly [number, number] {
    const client = writer.client(40_000);
    full.disk.full = true;
    const counts = [LIMIT - 2, 3].map((count) => {
      for (let i = 0; i < count; i++) {
        client.send(create(`/${count}-${i}`, { data: new Uint8Array(BYTES) }));
      }
      ensemble.advance(100);
      return said(full, 'more waits for space');
    });
    return [counts[0], counts[1]];
  }

  function expectSpaceToHelp(ensemble: TestEnsemble, full: TestMember): void {
    expect(full.running.serving).toBe(false);
    full.disk.full = false;
    ensemble.untilServing();
    const client = full.client();
    expect(client.err(exists(`/${LIMIT - 2}-${LIMIT - 3}`)), 'what others had').toBe(0);
    expectSameTrees(ensemble);
  }

  test.each([
    ['transactions', few],
    ['bytes', small],
  ])('a leader that is needed for a quorum leads no more: %s', (_what, replica) => {
    const ensemble = new TestEnsemble(3, { replica });
    const { leader } = ensemble;
    const [follower, gone] = ensemble.learners;
    gone.kill();
    expect(fill(ensemble, follower, leader)).toEqual([0, 1]);
    gone.start();
    ensemble.advance(10_000);
    expectSpaceToHelp(ensemble, leader);
  });

  test.each([
    ['transactions', few],
    ['bytes', small],
  ])('an observer, which nobody waits for, leaves: %s', (_what, replica) => {
    const ensemble = new TestEnsemble(3, { observers: 1, replica });
    const observer = ensemble.member(4);
    expect(fill(ensemble, ensemble.leader, observer)).toEqual([0, 1]);
    expect(ensemble.leader.running.serving).toBe(true);
    expectSpaceToHelp(ensemble, observer);
  });
});
