/** Bugs in what only some ensembles have, which have it here in any case. */
import { Configuration } from '../../server/src/zab/configuration.ts';
import { HierarchicalQuorum } from '../../server/src/zab/quorum.ts';
import type { EnsemblePlan } from '../src/ensemble/plan.ts';
import { oneAfterTheOther, type PlantedEnsembleBug, replaced, replacedGetter } from './planting.ts';

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

export const plantedFeatureBugs: readonly PlantedEnsembleBug[] = [...weights];
