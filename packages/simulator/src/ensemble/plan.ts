/** What a seed draws for an ensemble before its run begins: servers, settings, network, clients and the faults. */
import { type ReplicaOptions, ZAB_DEFAULTS, type ZabOptions } from '@treekeeper/server/internal';
import type { Dice } from '../dice.ts';
import { drawSettings, QUOTAS_SHARE, type WorkloadPlan, withQuotas } from '../faults.ts';
import { drawFaults, type Fault } from './faults.ts';
import type { GroupPlan } from './features.ts';
import type { NetworkPlan } from './network.ts';
import type { ClientPlan } from './session-client.ts';

export interface EnsemblePlan {
  readonly voters: number;
  readonly observers: number;
  /** Servers that are no members at first. */
  readonly spares: number;
  /** None: a majority of the voters decides. */
  readonly groups: readonly GroupPlan[];
  readonly settings: ReplicaOptions;
  readonly zab: Omit<ZabOptions, 'serverId'>;
  readonly network: NetworkPlan;
  readonly clientNetwork: NetworkPlan;
  readonly clocks: readonly { readonly rate: number; readonly wallOffsetMs: number }[];
  readonly workload: WorkloadPlan;
  readonly clients: readonly ClientPlan[];
  /** How long things may go wrong. */
  readonly safetyMs: number;
  /** In the order of time. */
  readonly faults: readonly Fault[];
}

/** Of the client that changes the members. */
const OPERATOR_PLAN = { isOperator: true, expireByOwnClock: false, pipelineDepth: 3, thinkMsMax: 0, syncedReads: 0 };
const CLIENTS_MAX = 8;
/** Share of the runs with a crowd of clients. */
const CROWDED = 0.01;
const CROWD_MAX = 300;
/** Zeros that are written ahead: more of them cost time and show nothing. */
const PREALLOC_BYTES_MAX = 8192;
/** Requests that a client makes in one stretch of work, about. */
const REQUESTS_A_STRETCH = 2.5;

export function drawEnsemblePlan(dice: Dice, requests: number): EnsemblePlan {
  const voters = dice.pick([1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 5, 7]);
  const observers = dice.chance(0.25) ? dice.between(1, 2) : 0;
  const reconfigEnabled = voters > 1 && dice.chance(0.3);
  const spares = reconfigEnabled ? dice.below(3) : 0;
  const settings = drawMemberSettings(dice, reconfigEnabled);
  const { tickTimeMs, minSessionTimeoutMs } = settings;
  const safetyMs = tickTimeMs * dice.between(25, 60);
  const serverIds = Array.from({ length: voters + observers + spares }, (_, i) => i + 1);
  const clientCount = dice.chance(CROWDED) ? dice.between(CLIENTS_MAX, CROWD_MAX) : dice.between(1, CLIENTS_MAX);
  const thinkMsMax = (2 * safetyMs * clientCount * REQUESTS_A_STRETCH) / requests;
  const clients = Array.from({ length: clientCount }, () => drawClient(dice, minSessionTimeoutMs, thinkMsMax));
  if (reconfigEnabled) {
    clients.push({ ...OPERATOR_PLAN, sessionTimeoutMs: settings.maxSessionTimeoutMs });
  }
  const plan: EnsemblePlan = {
    voters,
    observers,
    spares,
    groups: [],
    settings,
    zab: { ...drawZab(dice, tickTimeMs), reconfigEnabled },
    network: drawNetwork(dice),
    clientNetwork: drawNetwork(dice),
    clocks: serverIds.map(() => drawClock(dice)),
    workload: drawWorkload(dice, clientCount),
    clients,
    safetyMs,
    faults: drawFaults(dice, { serverIds, voters, clients: clientCount, tickTimeMs, safetyMs, reconfigEnabled }),
  };
  return dice.chance(QUOTAS_SHARE) ? withQuotas(plan) : plan;
}

/** As those of a single server, with snapshots less often: every member writes them, and most find nothing new. */
function drawMemberSettings(dice: Dice, reconfigEnabled: boolean): ReplicaOptions {
  const drawn = drawSettings(dice);
  const { storage, tickTimeMs } = drawn;
  const preallocBytes = Math.min(storage.preallocBytes, PREALLOC_BYTES_MAX);
  return {
    ...drawn,
    rules: { ...drawn.rules, reconfigEnabled },
    storage: {
      ...storage,
      forceSync: true,
      snapCount: dice.pick([5, 20, 60, 200, 1000]),
      preallocBytes,
    },
    purgeIntervalMs: dice.pick([0, 2, 10]) * tickTimeMs,
  };
}

/** Small windows and slices, so that every way of catching up is taken. */
function drawZab(dice: Dice, tickTimeMs: number): Omit<ZabOptions, 'serverId'> {
  return {
    ...ZAB_DEFAULTS,
    tickTimeMs,
    initLimitTicks: dice.pick([5, 10]),
    syncLimitTicks: dice.pick([2, 5]),
    committedLogEntriesMax: dice.pick([1, 10, 500]),
    snapshotSizeFactor: dice.pick([-1, 0, 0.33]),
    linkUnsentBytesPause: dice.pick([100, 2000, 1 << 20]),
    transferBytesPerTurn: dice.pick([50, 1000, 1 << 18]),
  };
}

function drawNetwork(dice: Dice): NetworkPlan {
  const delayMsMin = dice.pick([0.05, 0.05, 1, 5]);
  return {
    delayMsMin,
    delayMsMax: delayMsMin * dice.pick([1, 3, 20]),
    chopped: dice.chance(0.5) ? 0.1 : 0,
  };
}

export function drawClock(dice: Dice): { rate: number; wallOffsetMs: number } {
  const drift = dice.chance(0.5) ? (dice.next() - 0.5) * dice.pick([1e-4, 0.02]) : 0;
  const wallOffsetMs = dice.chance(0.5) ? dice.between(-5000, 5000) : 0;
  return { rate: 1 + drift, wallOffsetMs };
}

function drawWorkload(dice: Dice, clients: number): WorkloadPlan {
  return {
    clients,
    pipelineDepth: 0, // each client has its own
    writes: 0.2 + 0.6 * dice.next(),
    diligent: 1, // the session machine sees to that
    topLevelNodes: dice.pick([2, 5, 12]),
    largeData: dice.chance(0.15),
    malformed: 0,
    reservedPaths: ['/', '/zookeeper'],
    quotas: false,
  };
}

function drawClient(dice: Dice, minSessionTimeoutMs: number, thinkMsMax: number): ClientPlan {
  return {
    sessionTimeoutMs: minSessionTimeoutMs * dice.pick([1, 2, 4, 10]),
    expireByOwnClock: dice.chance(0.3),
    pipelineDepth: dice.pick([1, 3, 10, 40]),
    thinkMsMax,
    syncedReads: dice.pick([0.1, 0.3]),
  };
}
