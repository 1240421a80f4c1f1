/**
 * What some ensembles have and most have not. It is drawn from dice of its own, so that a seed without any of it is the
 * run that it has always been.
 */
import type { Dice } from '../dice.ts';
import type { EnsemblePlan } from './plan.ts';

/** `weights`: votes have weights, and voters stand in groups. */
export type Feature = (typeof FEATURES)[number];
export const FEATURES = ['weights'] as const;

/** Voters who decide together by the weight of their votes. */
export interface GroupPlan {
  readonly members: readonly number[];
  /** One for each of them. */
  readonly weights: readonly number[];
}

type Change = (dice: Dice, plan: EnsemblePlan) => EnsemblePlan;

const CHANGES: Readonly<Record<Feature, Change>> = { weights: withWeights };
/** Of each. */
const SHARE = 0.12;

/** @param wanted which of them it has in any case */
export function withFeatures(dice: Dice, plan: EnsemblePlan, wanted: readonly Feature[]): EnsemblePlan {
  return FEATURES.reduce((changed, feature) => {
    const isDrawn = dice.chance(SHARE);
    return isDrawn || wanted.includes(feature) ? CHANGES[feature](dice, changed) : changed;
  }, plan);
}

const GROUPS_MAX = 3;

/** Weights may make one server a quorum, or all but one; who alone is there has nothing to weigh. */
function withWeights(dice: Dice, plan: EnsemblePlan): EnsemblePlan {
  const { voters } = plan;
  if (voters === 1) {
    return plan;
  }
  const ids = Array.from({ length: voters }, (_, i) => i + 1);
  const count = dice.between(1, Math.min(GROUPS_MAX, voters));
  const firstPlace = dice.below(count);
  const places = ids.map((_, i) => (i < count ? (i + firstPlace) % count : dice.below(count)));
  const weights = ids.map(() => dice.pick<number>([0, 1, 1, 1, 2, 3]));
  if (!weights.some((weight) => weight > 0)) {
    weights.fill(1);
  }
  const groups = Array.from({ length: count }, (_, place): GroupPlan => {
    const members = ids.filter((_, i) => places[i] === place);
    return { members, weights: members.map((id) => weights[id - 1]) };
  });
  // Of groups, nobody can say which one a server joins, unless all are named.
  const faults = plan.faults.map((fault) => {
    return fault.kind === 'reconfig' ? { ...fault, isWhole: dice.chance(0.8) } : fault;
  });
  return { ...plan, groups, faults };
}
