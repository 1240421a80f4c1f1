/**
 * One run of an ensemble: a safety phase, in which clients work while the faults that the seed has drawn happen, then a
 * liveness phase without faults, in which all servers must serve again, everybody must get on, and all must come to the
 * same tree.
 */
import { leftoversIn } from '../checkers/progress.ts';
import { check } from '../checkers/violation.ts';
import { Dice } from '../dice.ts';
import type { SimulationResult } from '../simulation.ts';
import { Trace } from '../trace.ts';
import { FaultInjector } from './fault-injector.ts';
import { type Feature, withFeatures } from './features.ts';
import { drawEnsemblePlan, type EnsemblePlan } from './plan.ts';
import { type EnsembleDoubles, EnsembleWorld } from './world.ts';

export interface EnsembleOptions {
  readonly seed: number;
  /** About so many requests are sent before the liveness phase. */
  readonly requests: number;
  /** Gets the run in words. */
  readonly print?: ((line: string) => void) | null;
  readonly doubles?: EnsembleDoubles;
  /** What the ensemble has in any case, besides what the seed draws. */
  readonly features?: readonly Feature[];
  /** Changes the plan that the seed has drawn, to look for what matters in it. */
  readonly change?: (plan: EnsemblePlan) => EnsemblePlan;
}

export interface EnsembleResult extends SimulationResult {
  readonly events: number;
}

/** What a seed draws before its run begins. */
export function ensemblePlanOf({ seed, requests, features = [] }: EnsembleOptions): EnsemblePlan {
  return withFeatures(seed, drawEnsemblePlan(new Dice(seed, 'ensemble'), requests), features);
}

/** Runs one seed to its end or to the first violation. Deterministic: the same seed gives the same result. */
export function simulateEnsemble(options: EnsembleOptions): EnsembleResult {
  const { seed, print = null, doubles = {}, change = (plan) => plan } = options;
  const trace = new Trace(print);
  const plan = change(ensemblePlanOf(options));
  const world = new EnsembleWorld(seed, plan, trace, doubles);
  let failure: Error | null = null;
  try {
    run(world, plan);
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  }
  return {
    seed,
    failure,
    traceHash: trace.digest(),
    requests: world.clients.reduce((sum, client) => sum + client.requestsSent, 0),
    transactions: world.referee.order.count,
    framesChecked: world.referee.framesChecked,
    restarts: world.restarts,
    coverage: world.coverage.counts,
    events: world.events.count,
    simulatedMs: world.events.nowMs,
  };
}

const DEMANDS = 2;
/** For everybody to serve again, in ticks: an election, discovery and synchronisation, and once more all of it. */
const WHOLE_TICKS_MAX = 120;
/** For the demands of clients and for the end of their sessions: that many of the longest timeout. */
const TIMEOUTS_MAX = 6;
const LOOK_MS = 20;
const MINUTE_MS = 60_000;

function run(world: EnsembleWorld, plan: EnsemblePlan): void {
  const injector = new FaultInjector(world);
  injector.plan(plan.faults);
  world.start();
  world.run(plan.safetyMs);
  world.tell(() => 'no more faults');
  for (const client of world.clients) {
    client.rest();
  }
  injector.heal();
  becomeWhole(world, plan);
  makeProgress(world, plan);
  abandon(world, plan);
  becomeEqual(world);
}

function becomeWhole(world: EnsembleWorld, plan: EnsemblePlan): void {
  const limitMs = WHOLE_TICKS_MAX * plan.settings.tickTimeMs + LOOK_MS;
  const isDone = world.runUntil(() => world.isWhole, limitMs);
  check(isDone, 'progress', () => `not everybody serves ${limitMs} ms after the last fault: ${world.describe()}`);
}

/** Every client gets its writes done. */
function makeProgress(world: EnsembleWorld, { settings }: EnsemblePlan): void {
  const { maxSessionTimeoutMs, tickTimeMs } = settings;
  const wanted = world.clients.map(({ demandsMet }) => demandsMet + DEMANDS);
  const limitMs = TIMEOUTS_MAX * maxSessionTimeoutMs + WHOLE_TICKS_MAX * tickTimeMs;
  world.referee.sessions.calmSinceMs = world.events.nowMs + maxSessionTimeoutMs;
  const endMs = world.events.nowMs + limitMs;
  for (;;) {
    const waiting = world.clients.filter(({ demandsMet, isIdle }, i) => demandsMet < wanted[i] || !isIdle);
    if (waiting.length === 0) {
      return;
    }
    for (const client of waiting) {
      if (client.demandsMet < wanted[world.clients.indexOf(client)]) {
        client.demand();
      }
    }
    const says = () => waiting.map((client) => `${client.name} is ${client.describe()}`).join('; ');
    check(world.events.nowMs < endMs, 'progress', () => `${says()}; servers: ${world.describe()}`);
    world.run(world.events.nowMs + LOOK_MS);
  }
}

/** All clients go away without a word: their sessions must expire, and all that hangs on them go. */
function abandon(world: EnsembleWorld, { settings }: EnsemblePlan): void {
  for (const client of world.clients) {
    client.vanish();
  }
  const { maxSessionTimeoutMs, reaper } = settings;
  const limitMs = TIMEOUTS_MAX * maxSessionTimeoutMs + 20 * reaper.checkIntervalMs;
  // In a crowd there may be more to reap than the reaper gets done in that time.
  const nodes = [...world.referee.state.tree.nodes.values()];
  const reapedMax = nodes.filter((node) => ['container', 'ttl'].includes(world.referee.state.tree.kind(node))).length;
  const endMs = world.events.nowMs + limitMs + (reapedMax * MINUTE_MS) / reaper.maxPerMinute;
  for (;;) {
    const left = leftoversOf(world);
    if (left === null) {
      return;
    }
    check(world.events.nowMs < endMs, 'progress', () => `left of clients that are gone: ${left}`);
    world.run(world.events.nowMs + limitMs / 200);
  }
}

function leftoversOf(world: EnsembleWorld): string | null {
  const { leader } = world;
  if (leader === undefined) {
    return 'no leader';
  }
  for (const { serverId, replica } of world.members) {
    const left = replica === null ? 'down' : leftoversIn(replica, world.referee.state, leader.clock.wallMs);
    const known = world.plan.settings.localSessionsEnabled ? (replica?.world.sessions.size ?? 0) : 0;
    if (left === null && known > 0) {
      return `${known} sessions that no transaction has opened, at server ${serverId}`;
    }
    if (left !== null) {
      return `${left}, at server ${serverId}`;
    }
  }
  return null;
}

/** Everybody ends with the same history and the same tree. */
function becomeEqual(world: EnsembleWorld): void {
  const { order } = world.referee;
  const isEqual = () => world.members.every(({ replica }) => replica?.world.tree.lastZxid === order.lastZxid);
  const isDone = world.isWhole && world.runUntil(isEqual, 10 * world.plan.settings.tickTimeMs);
  check(isDone, 'progress', () => `servers differ at the end: ${world.describe()}`);
  const trees = world.members.map(({ replica }) => `${replica?.world.tree.digest}`);
  check(new Set(trees).size === 1, 'digest', () => `servers have the digests ${trees.join()} at the end`);
}
