/**
 * What some ensembles have and most have not. It is drawn from dice of its own, so that a seed without any of it is the
 * run that it has always been; and what came later from others again, so that a seed without that is, too.
 */
import { Dice } from '../dice.ts';
import type { Fault } from './faults.ts';
import { drawClock, type EnsemblePlan } from './plan.ts';

/**
 * Votes have weights, and voters stand in groups; followers feed observers in their leader's place; sessions are known
 * to one server only, until they are to own ephemeral nodes; leadership is given to servers that cannot take it. And
 * only where it is asked for: servers do not know our own packets, and come back with promises to later leaders.
 */
export type Feature = DrawnFeature | 'foreign-servers';
type DrawnFeature = (typeof DRAWN_FEATURES)[number];
const DRAWN_FEATURES = ['weights', 'observer-masters', 'local-sessions', 'vain-hand-overs'] as const;
export const FEATURES: readonly Feature[] = [...DRAWN_FEATURES, 'foreign-servers'];

/** Voters who decide together by the weight of their votes. */
export interface GroupPlan {
  readonly members: readonly number[];
  /** One for each of them. */
  readonly weights: readonly number[];
}

type Change = (dice: Dice, plan: EnsemblePlan) => EnsemblePlan;

const CHANGES: Readonly<Record<Feature, Change>> = {
  weights: withWeights,
  'observer-masters': withObserverMasters,
  'local-sessions': withLocalSessions,
  'vain-hand-overs': withVainHandOvers,
  'foreign-servers': withForeignServers,
};
/** Of each. */
const SHARE = 0.12;

/** @param wanted which of them it has in any case */
export function withFeatures(seed: number, plan: EnsemblePlan, wanted: readonly Feature[]): EnsemblePlan {
  const first = new Dice(seed, 'features');
  const locals = new Dice(seed, 'local sessions');
  locals.next(); // by their first number a seed that is kept for what it once showed would be another run
  const later: Partial<Record<Feature, Dice>> = {
    'local-sessions': locals,
    'vain-hand-overs': new Dice(seed, 'vain hand-overs'),
    'foreign-servers': new Dice(seed, 'foreign servers'),
  };
  const diceOf = (feature: Feature) => later[feature] ?? first;
  const drawn: readonly Feature[] = DRAWN_FEATURES.filter((feature) => diceOf(feature).chance(SHARE));
  const features = FEATURES.filter((feature) => drawn.includes(feature) || wanted.includes(feature));
  return features.reduce((changed, feature) => CHANGES[feature](diceOf(feature), changed), plan);
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

const MASTER_FAULTS = ['kill', 'power loss', 'pause', 'slow server', 'slow disk', 'isolation', 'isolation'] as const;

/** There are observers in any case, and something happens to those that feed them; who is alone feeds nobody. */
function withObserverMasters(dice: Dice, plan: EnsemblePlan): EnsemblePlan {
  const { tickTimeMs } = plan.zab;
  if (plan.voters === 1) {
    return plan;
  }
  const newcomers = plan.observers === 0 ? dice.between(1, 2) : 0;
  const observerReconnectDelayMs = dice.pick([0, tickTimeMs]);
  const more = Array.from({ length: dice.pick([0, 2, 4, 6]) }, () => drawMasterFault(dice, plan));
  return {
    ...plan,
    observers: plan.observers + newcomers,
    clocks: [...plan.clocks, ...Array.from({ length: newcomers }, () => drawClock(dice))],
    zab: { ...plan.zab, hasObserverMasters: true, observerReconnectDelayMs },
    faults: [...plan.faults, ...more].sort((one, other) => one.atMs - other.atMs),
  };
}

function drawMasterFault(dice: Dice, { safetyMs, zab: { tickTimeMs } }: EnsemblePlan): Fault {
  return {
    kind: dice.pick(MASTER_FAULTS),
    target: 'observer master',
    atMs: Math.floor(dice.next() * safetyMs),
    ms: Math.ceil(tickTimeMs * dice.pick([1, 3, 8]) * dice.next()),
    rush: dice.chance(0.6),
    resets: false,
    way: dice.pick(['both', 'in', 'out']),
    extraMs: tickTimeMs * dice.pick([0.1, 0.5, 1]),
    stepMsMax: tickTimeMs * dice.pick([0.05, 0.3, 1]),
  };
}

/** In most of these ensembles they become global with their first ephemeral node; in the others they get none. */
const UPGRADING_SHARE = 0.8;
/** Where members may change, a client must know all servers. */
const FAITHFUL_SHARE = 0.5;
const SESSION_FAULTS = [
  'client reset',
  'client reset',
  'client reset',
  'silent client',
  'slow server',
  'reset',
  'pause',
  'kill',
  'hand-over',
] as const;

/** Clients come and go more often than elsewhere, and some know one server only, or two. */
function withLocalSessions(dice: Dice, plan: EnsemblePlan): EnsemblePlan {
  const { settings, voters, observers } = plan;
  const { reconfigEnabled } = settings.rules;
  const localSessionsUpgradingEnabled = dice.chance(UPGRADING_SHARE);
  const memberIds = Array.from({ length: voters + observers }, (_, i) => i + 1);
  const clients = plan.clients.map((client) => {
    const isFaithful = !reconfigEnabled && dice.chance(FAITHFUL_SHARE);
    const hosts = isFaithful ? [...new Set([dice.pick(memberIds), dice.pick(memberIds)])] : undefined;
    return { ...client, closes: dice.pick([0.005, 0.05]), hosts };
  });
  const more = Array.from({ length: dice.pick([0, 4, 8, 16]) }, () => drawSessionFault(dice, plan, memberIds));
  return {
    ...plan,
    settings: { ...settings, localSessionsEnabled: true, rules: { ...settings.rules, localSessionsUpgradingEnabled } },
    clients,
    faults: [...plan.faults, ...more].sort((one, other) => one.atMs - other.atMs),
  };
}

function drawSessionFault(dice: Dice, plan: EnsemblePlan, memberIds: readonly number[]): Fault {
  const { safetyMs, clients, zab } = plan;
  const { tickTimeMs } = zab;
  return {
    kind: dice.pick(SESSION_FAULTS),
    target: dice.chance(0.4) ? 'leader' : dice.pick(memberIds),
    client: dice.below(clients.length),
    one: dice.pick(memberIds),
    other: dice.pick(memberIds),
    heir: null,
    atMs: Math.floor(dice.next() * safetyMs),
    ms: Math.ceil(tickTimeMs * dice.pick([0.3, 1, 3, 6]) * dice.next()),
    rush: dice.chance(0.7),
    resets: dice.chance(0.5),
    extraMs: tickTimeMs * dice.pick([0.1, 0.5, 1]),
  };
}

/** Fewer cannot go on without the heir. */
const VOTERS_MIN = 3;

/** Leadership is to go to a server whose disk is slow, or that dies meanwhile: mostly it stays where it is. */
function withVainHandOvers(dice: Dice, plan: EnsemblePlan): EnsemblePlan {
  if (plan.voters < VOTERS_MIN) {
    return plan;
  }
  const more = Array.from({ length: dice.pick([8, 16]) }, () => drawVainHandOver(dice, plan)).flat();
  return { ...plan, faults: [...plan.faults, ...more].sort((one, other) => one.atMs - other.atMs) };
}

function drawVainHandOver(
  dice: Dice,
  { voters, safetyMs, zab: { tickTimeMs, syncLimitTicks } }: EnsemblePlan,
): Fault[] {
  const heir = dice.between(1, voters);
  const slowAtMs = Math.floor(dice.next() * safetyMs);
  const ms = Math.ceil(tickTimeMs * syncLimitTicks * (0.1 + 1.2 * dice.next()));
  const atMs = slowAtMs + Math.ceil(0.1 * tickTimeMs); // it has something to write by then
  const rushed = { ms, rush: true, resets: false };
  const faults: Fault[] = [
    { ...rushed, kind: 'slow disk', target: heir, stepMsMax: ms, atMs: slowAtMs },
    { ...rushed, kind: 'hand-over', heir, atMs },
  ];
  if (dice.chance(0.6)) {
    const downMs = Math.ceil(tickTimeMs * dice.next());
    faults.push({ ...rushed, kind: 'kill', target: heir, atMs: atMs + Math.ceil(0.5 * ms * dice.next()), ms: downMs });
  }
  return faults;
}

/** Each server is of Apache ZooKeeper with this chance. */
const FOREIGN_SHARE = 0.6;

/** Servers of both kinds, some of which come back with a promise to a leader of a later epoch than there is. */
function withForeignServers(dice: Dice, plan: EnsemblePlan): EnsemblePlan {
  const { voters, observers, safetyMs, zab } = plan;
  const { tickTimeMs } = zab;
  const memberIds = Array.from({ length: voters + observers }, (_, i) => i + 1);
  const base = { rush: true, resets: false };
  const foreign = memberIds
    .filter(() => dice.chance(FOREIGN_SHARE))
    .map((target): Fault => ({ ...base, kind: 'other release', target, release: 'apache', atMs: 0, ms: 1 }));
  const more = Array.from({ length: dice.pick([1, 2, 4]) }, (): Fault[] => {
    const atMs = Math.floor(dice.next() * safetyMs);
    const ms = Math.ceil(tickTimeMs * dice.pick([1, 3, 8]) * dice.next());
    const target = dice.chance(0.3) ? 'leader' : dice.pick(memberIds);
    const ahead: Fault = { ...base, kind: 'epoch ahead', target, by: dice.pick([1, 2, 40]), atMs, ms };
    const heir = dice.chance(0.5) ? null : dice.between(1, voters);
    return [ahead, { ...base, kind: 'hand-over', heir, atMs: Math.floor(dice.next() * safetyMs), ms: 1 }];
  }).flat();
  const faults = [...foreign, ...plan.faults, ...more].sort((one, other) => one.atMs - other.atMs);
  return { ...plan, faults };
}
