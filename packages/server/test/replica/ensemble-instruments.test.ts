/** What members of an ensemble tell the metrics: elections, time without service, learners, proposals, sessions. */
import { describe, expect, test } from 'vitest';
import { monitorEntries } from '../../src/admin/metrics/monitor.ts';
import { prometheusText } from '../../src/admin/metrics/prometheus.ts';
import type { ServerMode, ServerView } from '../../src/admin/view.ts';
import type { Summary } from '../../src/metrics/primitives.ts';
import { createMetrics, resetMetrics } from '../../src/metrics/registry.ts';
import { MemberInstruments } from '../../src/replica/member-instruments.ts';
import { fakeView } from '../admin/fake-view.ts';
import { TestEnsemble, type TestMember } from './ensemble.ts';
import { create, setData } from './requests.ts';

/** How much the counters, and the counts of summaries, have grown while something is done. */
function growth(member: TestMember, names: readonly Counted[], during: () => void): Record<string, number> {
  const { metrics } = member;
  const read = (name: Counted): number => {
    const metric = metrics[name];
    return 'value' in metric ? metric.value : metric.count;
  };
  const before = names.map(read);
  during();
  expect(member.metrics, 'the same life').toBe(metrics);
  return Object.fromEntries(names.map((name, i) => [name, read(name) - before[i]]));
}

type Metrics = TestMember['metrics'];
/** Names of counters and summaries. */
type Counted = {
  [N in keyof Metrics]: Metrics[N] extends { readonly value: number } | Summary ? N : never;
}[keyof Metrics];

const ROLE = ['looking_count', 'election_time', 'unavailable_time', 'leader_unavailable_time'] as const;
const SYNCED = ['follower_sync_time', 'observer_sync_time'] as const;
const RECEIVED = [
  'learner_proposal_received_count',
  'learner_commit_received_count',
  'proposal_latency',
  'proposal_ack_creation_latency',
  'commit_propagation_latency',
] as const;

/** Of each server, by its id. */
function ackCounts({ metrics }: TestMember): Record<string, number> {
  return Object.fromEntries([...metrics.ack_latency].map(([serverId, { count }]) => [serverId, count]));
}

describe('elections', () => {
  test('each member looks for a leader once, and its times are told by its role', () => {
    const ensemble = new TestEnsemble(3, { observers: 1 });
    for (const member of ensemble.members) {
      const { metrics } = member;
      const isLeader = member === ensemble.leader;
      expect(metrics.looking_count.value).toBe(1);
      expect(metrics.election_time.count).toBe(1);
      expect(metrics.unavailable_time.count).toBe(1);
      expect(metrics.leader_unavailable_time.count).toBe(isLeader ? 1 : 0);
      expect(metrics.follower_sync_time.count).toBe(isLeader || member.id === 4 ? 0 : 1);
      expect(metrics.observer_sync_time.count).toBe(member.id === 4 ? 1 : 0);
    }
  });

  test('when the leader dies the others look for another, and serve nobody meanwhile', () => {
    const ensemble = new TestEnsemble(3);
    const { leader, learners } = ensemble;
    const [one, other] = learners;
    let ofOther: Record<string, number> = {};
    const ofOne = growth(one, [...ROLE, ...SYNCED], () => {
      ofOther = growth(other, [...ROLE, ...SYNCED], () => {
        leader.kill();
        ensemble.advance(5000);
        ensemble.untilServing();
      });
    });
    const both = { looking_count: 1, election_time: 1, unavailable_time: 1, observer_sync_time: 0 };
    const [ofLeader, ofFollower] = ensemble.leader === one ? [ofOne, ofOther] : [ofOther, ofOne];
    expect(ofLeader).toEqual({ ...both, leader_unavailable_time: 1, follower_sync_time: 0 });
    expect(ofFollower).toEqual({ ...both, leader_unavailable_time: 0, follower_sync_time: 1 });
  });

  test('time without a quorum is time without service', () => {
    const ensemble = new TestEnsemble(3);
    const [follower, other] = ensemble.learners;
    const { leader } = ensemble;
    follower.kill();
    other.kill();
    ensemble.advance(60_000);
    expect(leader.running.serving).toBe(false);
    expect(leader.metrics.unavailable_time.count).toBe(1);
    const closed = growth(leader, ['cnxn_closed_without_zk_server_running'], () => leader.connect().shakeHands({}));
    expect(closed).toEqual({ cnxn_closed_without_zk_server_running: 1 });
    follower.start();
    ensemble.untilServing();
    expect(leader.metrics.unavailable_time.count).toBe(2);
    expect(leader.metrics.unavailable_time.max).toBeGreaterThan(30_000);
    expect(leader.metrics.election_time.max).toBeGreaterThan(30_000);
    expect(ensemble.leader).toBe(leader);
    expect(leader.metrics.leader_unavailable_time.max).toBe(leader.metrics.unavailable_time.max);
  });

  test('leadership that is handed over takes no election', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    const grown = growth(leader, ROLE, () => {
      expect(leader.running.member?.handOver(null)).toBe(true);
      ensemble.advance(1000);
      ensemble.untilServing();
    });
    expect(ensemble.leader).not.toBe(leader);
    expect(grown).toEqual({ looking_count: 0, election_time: 0, unavailable_time: 1, leader_unavailable_time: 0 });
  });

  test('one that was won in vain', () => {
    const metrics = createMetrics();
    new MemberInstruments(metrics, { nowMs: 0, wallMs: 0 }).deserted(); // when: test/zab/limits.test.ts
    expect(metrics.quit_leading_due_to_disloyal_voter.value).toBe(1);
  });
});

describe('learners', () => {
  const SYNCS = ['diff_count', 'snap_count', 'inflight_diff_count', 'inflight_snap_count'] as const;

  test('are brought up to date by what they miss, or by a snapshot', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    const [member, other] = ensemble.learners;
    const come = (...coming: readonly TestMember[]) =>
      growth(leader, SYNCS, () => {
        for (const one of coming) {
          one.start();
        }
        ensemble.untilServing();
      });
    member.kill();
    leader.client().get(create('/missed'));
    expect(come(member)).toEqual({ diff_count: 1, inflight_diff_count: 1, snap_count: 0, inflight_snap_count: 0 });
    member.wipe();
    const writer = leader.client();
    writer.pipeline(...Array.from({ length: 600 }, (_, i) => create(`/many-${i}`)));
    expect(come(member)).toEqual({ diff_count: 0, inflight_diff_count: 0, snap_count: 1, inflight_snap_count: 1 });
    expect(leader.metrics.inflight_snap_count.max).toBe(1);
    expect(other.metrics.snap_count.value).toBe(0);
  });

  test('several at a time', () => {
    const ensemble = new TestEnsemble(3, { observers: 2 });
    const { leader } = ensemble;
    const observers = [ensemble.member(4), ensemble.member(5)];
    for (const observer of observers) {
      observer.kill();
      observer.start();
    }
    ensemble.untilServing();
    expect(leader.metrics.inflight_diff_count.max).toBeGreaterThan(1);
  });

  test('count what is proposed and committed, and how long that takes', () => {
    const ensemble = new TestEnsemble(3, { observers: 1 });
    const { leader } = ensemble;
    const [follower] = ensemble.learners;
    const observer = ensemble.member(4);
    const client = leader.client();
    const acksBefore = ackCounts(leader);
    let ofObserver: Record<string, number> = {};
    const ofFollower = growth(follower, RECEIVED, () => {
      ofObserver = growth(observer, RECEIVED, () => {
        client.pipeline(create('/a'), setData('/a', 'x'), create('/a'));
      });
    });
    expect(ofFollower).toEqual(Object.fromEntries(RECEIVED.map((name) => [name, 3])));
    expect(ofObserver).toEqual({
      learner_proposal_received_count: 0,
      learner_commit_received_count: 3,
      proposal_latency: 0,
      proposal_ack_creation_latency: 0,
      commit_propagation_latency: 3,
    });
    const acks = ackCounts(leader);
    expect(Object.keys(acks).sort()).toEqual(['1', '2', '3']);
    for (const serverId of ['1', '2', '3']) {
      expect(acks[serverId] - acksBefore[serverId], `of server ${serverId}`).toBe(3);
    }
    expect(ackCounts(follower)).toEqual({});
  });

  test('the times are those that pass between turns', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    const [follower] = ensemble.learners;
    const client = leader.client();
    for (const { metrics } of ensemble.members) {
      resetMetrics(metrics);
    }
    client.send(create('/slowly'));
    for (let i = 0; i < 20; i++) {
      ensemble.round(); // a millisecond each
    }
    const { metrics } = follower;
    expect(metrics.proposal_latency.max).toBeLessThan(metrics.commit_propagation_latency.max);
    expect(metrics.proposal_ack_creation_latency.max).toBeGreaterThan(0);
    expect(leader.metrics.ack_latency.get(String(follower.id))?.max).toBeGreaterThan(0);
  });

  test('synchronisation takes from the epoch to the end of the history', () => {
    const ensemble = new TestEnsemble(3, { observers: 1 });
    const [follower] = ensemble.learners;
    const observer = ensemble.member(4);
    for (const member of [follower, observer]) {
      member.kill();
      member.start();
    }
    for (let i = 0; i < 100; i++) {
      ensemble.round();
    }
    for (const { follower_sync_time: followed, observer_sync_time: observed } of [follower.metrics, observer.metrics]) {
      expect([followed, observed].map(({ count }) => count).sort()).toEqual([0, 1]);
      expect(Math.max(followed.max, observed.max)).toBeGreaterThan(0);
    }
    expect(follower.metrics.follower_sync_time.max).toBeLessThanOrEqual(follower.metrics.unavailable_time.max);
  });

  test('of those that come later only what they acknowledge is timed', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    const [follower] = ensemble.learners;
    const client = leader.client();
    const before = ackCounts(leader)[follower.id];
    follower.kill();
    client.pipeline(create('/a'), create('/b'));
    follower.start();
    ensemble.untilServing();
    expect(ackCounts(leader)[follower.id]).toBe(before);
    client.get(create('/c'));
    expect(ackCounts(leader)[follower.id]).toBe(before + 1);
  });
});

describe('sessions that go on', () => {
  const SESSIONS = ['connection_revalidate_count', 'revalidate_count'] as const;

  test('count where the client comes, and where a learner asks', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    const [follower] = ensemble.learners;
    const client = leader.client();
    let ofLeader: Record<string, number> = {};
    const move = (to: TestMember) =>
      growth(follower, SESSIONS, () => {
        ofLeader = growth(leader, SESSIONS, () => to.resume(client));
      });
    expect(move(follower)).toEqual({ connection_revalidate_count: 1, revalidate_count: 0 });
    expect(ofLeader).toEqual({ connection_revalidate_count: 0, revalidate_count: 1 });
    expect(move(leader)).toEqual({ connection_revalidate_count: 0, revalidate_count: 0 });
    expect(ofLeader).toEqual({ connection_revalidate_count: 1, revalidate_count: 0 });
  });

  test('a follower that feeds observers is asked by them, and operators see who feeds an observer', () => {
    const ensemble = new TestEnsemble(2, { observers: 1, zab: { hasObserverMasters: true } });
    const [master] = ensemble.learners;
    const observer = ensemble.member(3);
    const client = ensemble.leader.client();
    const grown = growth(master, SESSIONS, () => observer.resume(client));
    expect(grown).toEqual({ connection_revalidate_count: 0, revalidate_count: 1 });
    expect([observer, master, ensemble.leader].map(masterShown)).toEqual([master.id, undefined, undefined]);
    const plain = new TestEnsemble(2, { observers: 1 });
    expect(masterShown(plain.member(3))).toBe(plain.leader.id);
  });
});

test('who feeds an observer is the one that it has found at last', () => {
  const ensemble = new TestEnsemble(3, { observers: 4, zab: { hasObserverMasters: true } });
  const [dead, alive] = ensemble.learners;
  dead.kill();
  ensemble.untilServing();
  const observers = ensemble.members.slice(3); // each tries the followers in an order of its own
  expect(observers.map(masterShown)).toEqual(observers.map(() => alive.id));
});

function viewOf({ running }: TestMember, mode: ServerMode): ServerView {
  const { report } = running.member ?? {};
  if (report === undefined) {
    throw new Error('it is no member');
  }
  return fakeView({ mode, ensemble: { ...report, initLimitTicks: 10, syncLimitTicks: 5 } });
}

/** What `mntr` shows as the server that feeds this one. */
function masterShown(member: TestMember): unknown {
  return new Map(monitorEntries(viewOf(member, 'observer'))).get('observer_master_id');
}

test('Prometheus is told by each member how many have a vote, and by the leader who follows', () => {
  const ensemble = new TestEnsemble(3, { observers: 1 });
  const [follower, other] = ensemble.learners;
  other.kill();
  ensemble.settle();
  const ofLeader = prometheusText(viewOf(ensemble.leader, 'leader'), []);
  const ofFollower = prometheusText(viewOf(follower, 'follower'), []);
  expect(ofLeader).toContain('# TYPE quorum_size gauge\nquorum_size 3\n');
  expect(ofLeader).toContain('\nsynced_followers 1\n');
  expect(ofLeader).toMatch(/^leader_uptime \d/m);
  expect(ofFollower).toContain('\nquorum_size 3\n');
  expect(ofFollower).not.toMatch(/^(leader_uptime|synced_followers) /m);
});
