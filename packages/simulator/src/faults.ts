/**
 * What a seed draws before its run begins: how the server is set up, which faults happen and how often. Every run has
 * only some of the faults, so that one does not always hide what another would show.
 */
import type { ReplicaOptions, StorageOptions } from '@treekeeper/server/internal';
import type { Dice } from './dice.ts';
import { simulatedOptions } from './standalone-world.ts';

/** Probabilities are per step of the simulation, unless they say otherwise. */
export interface FaultPlan {
  /** Power is lost: of what was not synced anything may be gone or torn. */
  readonly powerLoss: number;
  /** The process is killed; the disk keeps what was written. */
  readonly kill: number;
  /** The server is asked to stop, finishes and is started again. */
  readonly cleanStop: number;
  /** Power is lost while the first snapshot of the new database is being written. */
  readonly powerLossInFirstSnapshot: boolean;
  /** Per restart: power is lost again during recovery. */
  readonly powerLossInRecovery: number;
  /** Per restart: and again a few steps later. */
  readonly powerLossAfterRestart: number;
  /** Per restart: the newest snapshot has been damaged, if an older one and the logs after it are there. */
  readonly damagedSnapshot: number;
  /** Per restart: somebody has changed the settings. */
  readonly changedSettings: number;
  readonly fullDisk: number;
  readonly slowDisk: number;
  /** A step of the disk fails for good. */
  readonly failingDisk: number;
  readonly connectionCut: number;
  readonly wallClockJump: number;
  /** The server stands still for seconds. */
  readonly pause: number;
  /** A client does not read for a while. */
  readonly slowClient: number;
}

/** What the clients are like. */
export interface WorkloadPlan {
  readonly clients: number;
  /** Requests that a client sends without waiting. */
  readonly pipelineDepth: number;
  /** Share of requests that write. */
  readonly writes: number;
  /** Share of clients that send pings in time. */
  readonly diligent: number;
  readonly topLevelNodes: number;
  /** Some nodes are so large that snapshots take several slices. */
  readonly largeData: boolean;
  /** Malformed bodies and frames. */
  readonly malformed: number;
  /** The server's own nodes, which are asked for now and then. */
  readonly reservedPaths: readonly string[];
  /** Clients set quotas, and the server enforces them. */
  readonly quotas: boolean;
}

export interface Plan {
  readonly faults: FaultPlan;
  readonly workload: WorkloadPlan;
  readonly settings: ReplicaOptions;
  readonly sharedDirectory: boolean;
}

export function drawPlan(dice: Dice): Plan {
  const settings = drawSettings(dice);
  const plan: Plan = {
    faults: drawFaults(dice, settings.storage.forceSync),
    workload: drawWorkload(dice),
    settings,
    sharedDirectory: dice.chance(0.7),
  };
  return dice.chance(QUOTAS_SHARE) ? withQuotas(plan) : plan;
}

/** Some runs have quotas: they keep the tree small, and so hide what happens in a larger one. */
export const QUOTAS_SHARE = 0.25;

export function withQuotas<P extends Pick<Plan, 'workload' | 'settings'>>(plan: P): P {
  const { workload, settings } = plan;
  const rules = { ...settings.rules, enforceQuota: true };
  return { ...plan, workload: { ...workload, quotas: true }, settings: { ...settings, rules } };
}

function drawFaults(dice: Dice, forceSync: boolean): FaultPlan {
  const maybe = (probability: number) => (dice.chance(0.5) ? probability * dice.pick([0.3, 1, 3]) : 0);
  const perRestart = (probability: number) => (dice.chance(0.5) ? probability : 0);
  // Without forceSync nothing is promised when power fails.
  const withPower = (probability: number) => (forceSync ? probability : 0);
  const plan: FaultPlan = {
    powerLoss: withPower(maybe(0.0006)),
    kill: maybe(0.0005),
    cleanStop: maybe(0.0003),
    powerLossInFirstSnapshot: forceSync && dice.chance(0.15),
    powerLossInRecovery: withPower(perRestart(0.3)),
    powerLossAfterRestart: withPower(perRestart(0.5)),
    damagedSnapshot: perRestart(0.5),
    changedSettings: perRestart(0.4),
    fullDisk: maybe(0.001),
    slowDisk: maybe(0.002),
    failingDisk: maybe(0.0008),
    connectionCut: maybe(0.005),
    wallClockJump: maybe(0.002),
    pause: maybe(0.001),
    slowClient: maybe(0.01),
  };
  // A run without any restart would show little.
  return plan.powerLoss + plan.kill > 0 ? plan : { ...plan, kill: 0.0005, powerLoss: withPower(0.001) };
}

function drawWorkload(dice: Dice): WorkloadPlan {
  return {
    clients: dice.between(1, 6),
    pipelineDepth: dice.pick([1, 3, 10, 40]),
    writes: 0.2 + 0.7 * dice.next(),
    diligent: dice.pick([0.3, 0.7, 1]),
    topLevelNodes: dice.pick([2, 5, 12]),
    largeData: dice.chance(0.15),
    malformed: dice.chance(0.3) ? 0.02 : 0,
    reservedPaths: ['/', '/zookeeper', '/zookeeper/config'],
    quotas: false,
  };
}

/** Small limits, so that what is rare in life happens all the time. */
export function drawSettings(dice: Dice): ReplicaOptions {
  const digestEnabled = dice.chance(0.8);
  const tickTimeMs = dice.pick([200, 2000, 3000]);
  return {
    ...simulatedOptions,
    tickTimeMs,
    minSessionTimeoutMs: 2 * tickTimeMs,
    maxSessionTimeoutMs: 20 * tickTimeMs,
    digestEnabled,
    storage: drawStorage(dice, digestEnabled),
    requests: { ...simulatedOptions.requests, outstandingRequestsMax: dice.pick([2, 20, 1000]) },
    reaper: {
      checkIntervalMs: dice.pick([500, 3000, 60_000]),
      maxPerMinute: dice.pick([60, 10_000]),
      maxNeverUsedIntervalMs: dice.pick([0, 2000]),
    },
    unsentBytesPause: dice.pick([2000, 1 << 20]),
    unsentBytesMax: dice.pick([6000, 64 << 20]),
    purgeRetainCount: 3,
    purgeIntervalMs: dice.pick([0, 1000, 10_000]),
  };
}

function drawStorage(dice: Dice, digestEnabled: boolean): StorageOptions {
  return {
    ...simulatedOptions.storage,
    digestEnabled,
    preallocBytes: dice.pick([0, 1024, 8192, 65_536]),
    snapCount: dice.pick([2, 7, 20, 60, 1000]),
    snapSizeLimitBytes: dice.pick([0, 20_000]),
    txnLogSizeLimitBytes: dice.pick([0, 0, 4000]),
    forceSync: dice.chance(0.9),
    flushDelayMs: dice.pick([0, 0, 20]),
    maxBatchTxns: dice.pick([1, 5, 1000]),
    snapshotCompression: dice.pick(['none', 'none', 'gz', 'snappy']),
    snapshotSliceBytes: dice.pick([100, 600, 100_000]),
    serializeLastProcessedZxid: dice.chance(0.8),
  };
}

/** Other settings for the same data; what promises and clients depend on stays. */
export function drawOtherSettings(dice: Dice, current: ReplicaOptions): ReplicaOptions {
  const drawn = drawSettings(dice);
  const { tickTimeMs, minSessionTimeoutMs, maxSessionTimeoutMs, reaper, rules } = current;
  const storage = { ...drawn.storage, forceSync: current.storage.forceSync };
  return { ...drawn, tickTimeMs, minSessionTimeoutMs, maxSessionTimeoutMs, reaper, rules, storage };
}
