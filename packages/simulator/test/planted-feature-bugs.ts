/** Bugs in what only some ensembles have, which have it here in any case. */
import { Leading } from '../../server/src/replica/leading.ts';
import { SessionLife } from '../../server/src/replica/session-life.ts';
import { ForeignSessions } from '../../server/src/sessions/foreign-sessions.ts';
import { SessionTable } from '../../server/src/sessions/session-table.ts';
import { Configuration } from '../../server/src/zab/configuration.ts';
import { Following } from '../../server/src/zab/following.ts';
import { Leadership } from '../../server/src/zab/leadership.ts';
import { ObserverMaster } from '../../server/src/zab/observer-master.ts';
import { HierarchicalQuorum } from '../../server/src/zab/quorum.ts';
import type { Fault } from '../src/ensemble/faults.ts';
import type { EnsemblePlan } from '../src/ensemble/plan.ts';
import { oneAfterTheOther, type PlantedEnsembleBug, replaced, replacedGetter, together } from './planting.ts';

/** Only the last voter has a vote that counts. */
function withOneWeight(plan: EnsemblePlan): EnsemblePlan {
  const members = Array.from({ length: plan.voters }, (_, i) => i + 1);
  const group = { members, weights: members.map((id) => (id === plan.voters ? 1 : 0)) };
  return plan.voters === 1 ? plan : { ...plan, groups: [group] };
}

const weights: readonly PlantedEnsembleBug[] = [
  {
    what: 'servers are counted, and not their weights',
    invariants: ['quorum', 'durability'],
    features: ['weights'],
    plant: replaced(
      HierarchicalQuorum.prototype,
      'hasQuorum',
      () =>
        function (this: HierarchicalQuorum, servers) {
          return 2 * this.voters.filter((voter) => servers.has(voter)).length > this.voters.length;
        },
    ),
  },
  {
    what: 'leadership is given to a server that has no weight',
    invariants: ['leaders'],
    plant: replacedGetter(Configuration.prototype, 'electable', function () {
      return this.voters;
    }),
    plan: withOneWeight,
    faults: oneAfterTheOther(4, () => ({ kind: 'hand-over', heir: null })),
  },
];

/** One follower feeds two observers. */
function withOneMaster(plan: EnsemblePlan): EnsemblePlan {
  const [clock] = plan.clocks;
  return { ...plan, voters: 2, observers: 2, spares: 0, groups: [], clocks: [clock, clock, clock, clock] };
}

const toldThrough = new WeakMap<ObserverMaster, number>();

const masters: readonly PlantedEnsembleBug[] = [
  {
    what: 'an observer master tells of a commit before it has heard of it',
    invariants: ['order'],
    features: ['observer-masters'],
    plant: together(
      replaced(
        Following.prototype,
        'propose',
        (original) =>
          function (this: Following, entry) {
            original.call(this, entry);
            this.master?.committed(entry, null);
          },
      ),
      replaced(
        ObserverMaster.prototype,
        'committed',
        (original) =>
          function (this: ObserverMaster, entry, leaderId) {
            if (entry.zxid > (toldThrough.get(this) ?? 0)) {
              toldThrough.set(this, entry.zxid);
              original.call(this, entry, leaderId);
            }
          },
      ),
    ),
  },
  {
    what: 'requests are taken from an observer that their session has left',
    invariants: ['transactions'],
    features: ['observer-masters'],
    plan: withOneMaster,
    plant: replaced(SessionTable.prototype, 'isElsewhere', () => () => false),
    faults: oneAfterTheOther(40, ({ clients, zab: { tickTimeMs } }, i) =>
      i % 4 === 0
        ? { kind: 'slow link', one: 1, other: 3 + ((i / 4) % 2), extraMs: tickTimeMs / 4 }
        : { kind: 'client reset', client: i % clients.length },
    ),
  },
];

/** Clients are cut off again and again. */
const resets = oneAfterTheOther(30, ({ clients }, i) => ({ kind: 'client reset', client: i % clients.length }));

/** Clients are cut off when they have asked for much, and one server is slow to hand it on. */
const lateRequests = oneAfterTheOther(12, ({ voters, zab: { tickTimeMs } }, i) => {
  return { kind: 'slow server', target: 1 + (i % voters), extraMs: tickTimeMs / 2 };
});

const locals: readonly PlantedEnsembleBug[] = [
  {
    what: 'a local session does not become global before it gets an ephemeral node',
    invariants: ['transactions'],
    features: ['local-sessions'],
    plant: replaced(SessionLife.prototype, 'upgrade', () => () => {}),
  },
  {
    what: 'a local session becomes global twice',
    invariants: ['transactions'],
    features: ['local-sessions'],
    plant: replaced(
      SessionLife.prototype,
      'upgrade',
      (original) =>
        function (this: SessionLife, session) {
          original.call(this, session);
          original.call(this, session);
        },
    ),
  },
  {
    what: 'a local session goes on at another server',
    invariants: ['handshake'],
    features: ['local-sessions'],
    plant: replaced(
      Leading.prototype,
      'revalidate',
      (original) =>
        function (this: Leading, from, sessionId, timeoutMs) {
          return original.call(this, from, sessionId, timeoutMs) || (sessionId & 1n) === 0n;
        },
    ),
  },
  {
    what: 'a local session ends with its connection',
    invariants: ['handshake'],
    features: ['local-sessions'],
    plant: replaced(
      SessionLife.prototype,
      'disconnected',
      (original) =>
        function (this: SessionLife, client) {
          const { session } = client;
          original.call(this, client);
          if (session?.isOnlyHere) {
            this.closeLocal(session);
          }
        },
    ),
    faults: resets,
  },
  {
    what: 'local sessions expire too early',
    invariants: ['expiry'],
    features: ['local-sessions'],
    plant: replaced(
      SessionLife.prototype,
      'touch',
      (original) =>
        function (this: SessionLife, client) {
          if (client.session?.isOnlyHere !== true) {
            original.call(this, client);
          }
        },
    ),
  },
  {
    what: 'what a session that is over had under way is done',
    invariants: ['transactions'],
    features: ['local-sessions'],
    plant: replaced(ForeignSessions.prototype, 'isOver', () => () => false),
    faults: lateRequests,
  },
  {
    what: 'a closed local session stays in the table',
    invariants: ['sessions'],
    features: ['local-sessions'],
    plant: replaced(SessionLife.prototype, 'closeLocal', () => () => {}),
  },
];

/** All are of Apache ZooKeeper, and the last one has accepted a far later epoch than there is. */
function farAhead(plan: EnsemblePlan): Fault[] {
  const ids = Array.from({ length: plan.voters + plan.observers }, (_, i) => i + 1);
  const base = { rush: false, resets: false, ms: 1 };
  return [
    ...ids.map((target): Fault => ({ ...base, kind: 'other release', target, release: 'apache', atMs: 0 })),
    { ...base, kind: 'epoch ahead', target: ids.length, by: 100, atMs: 0.9 * plan.safetyMs },
  ];
}

const foreign: readonly PlantedEnsembleBug[] = [
  {
    what: 'a member that has accepted a later epoch is refused, and nothing else',
    invariants: ['progress'],
    features: ['foreign-servers'],
    plant: replaced(Leadership.prototype, 'handOver', () => () => false),
    faults: farAhead,
  },
];

export const plantedFeatureBugs: readonly PlantedEnsembleBug[] = [...weights, ...masters, ...locals, ...foreign];
