/** Bugs in what only some ensembles have, which have it here in any case. */
import { SessionTable } from '../../server/src/sessions/session-table.ts';
import { Configuration } from '../../server/src/zab/configuration.ts';
import { Following } from '../../server/src/zab/following.ts';
import { ObserverMaster } from '../../server/src/zab/observer-master.ts';
import { HierarchicalQuorum } from '../../server/src/zab/quorum.ts';
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

export const plantedFeatureBugs: readonly PlantedEnsembleBug[] = [...weights, ...masters];
