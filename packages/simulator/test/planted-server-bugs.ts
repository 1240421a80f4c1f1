/** Bugs in the server's own code, each in one of its methods, which is another one while a test runs. */
import { type MultiTxn, OpCode } from '@treekeeper/protocol';
import { AccessControl } from '../../server/src/auth/acl.ts';
import { multiTxn } from '../../server/src/operations/multi.ts';
import { closeSessionTxn } from '../../server/src/operations/session.ts';
import { setWatches2 } from '../../server/src/operations/watches.ts';
import { Handshake } from '../../server/src/replica/handshake.ts';
import { Leading } from '../../server/src/replica/leading.ts';
import { MemberDatabase } from '../../server/src/replica/member-database.ts';
import { PendingChanges } from '../../server/src/replica/pending-changes.ts';
import { Revalidations } from '../../server/src/replica/revalidations.ts';
import { Service } from '../../server/src/replica/service.ts';
import { Syncs } from '../../server/src/replica/syncs.ts';
import { ExpiryQueue } from '../../server/src/sessions/expiry.ts';
import { SessionTable } from '../../server/src/sessions/session-table.ts';
import { QuotaTracker } from '../../server/src/tree/quota.ts';
import { WatchTable } from '../../server/src/watches/watch-table.ts';
import { Broadcast } from '../../server/src/zab/broadcast.ts';
import { CommittedLog } from '../../server/src/zab/committed-log.ts';
import { Discovery } from '../../server/src/zab/discovery.ts';
import { Election } from '../../server/src/zab/election.ts';
import { Leader } from '../../server/src/zab/leader.ts';
import { Learner } from '../../server/src/zab/learner.ts';
import { SyncGate } from '../../server/src/zab/sync-gate.ts';
import type { EnsemblePlan } from '../src/ensemble/plan.ts';
import { withQuotas } from '../src/faults.ts';
import { oneAfterTheOther, type PlantedEnsembleBug, replaced, replacedGetter, together } from './planting.ts';

const SUPER = { scheme: 'super', id: '' };
/** In a handshake: behind the version of the protocol. */
const LAST_ZXID_OFFSET = 4;
/** In a transaction: behind session, cxid, zxid and time. */
const TYPE_OFFSET = 28;
const DIGEST_BYTES = 12;
const ALMOST_ALWAYS = 7;

const isolatedLeaders = oneAfterTheOther(6, () => ({ kind: 'isolation', target: 'leader', way: 'both' }));
const slowServers = oneAfterTheOther(6, ({ voters, observers, zab }, i) => ({
  kind: 'slow server',
  target: 1 + (i % (voters + observers)),
  extraMs: zab.tickTimeMs,
}));
const resetClients = oneAfterTheOther(24, ({ clients }, i) => ({ kind: 'client reset', client: i % clients.length }));
const killedServers = oneAfterTheOther(8, ({ voters }, i) => ({ kind: 'kill', target: 1 + (i % voters) }));

/** Clients that hardly do anything but sync and read, and never rest for long. */
function withSyncs(plan: EnsemblePlan): EnsemblePlan {
  const clients = plan.clients.map((client) => ({ ...client, syncedReads: 0.7, thinkMsMax: client.thinkMsMax / 8 }));
  return { ...plan, clients };
}

/** For the one that is elected first, time passes slowly; clients are busy as long as it does not know. */
function withSlowLeader(plan: EnsemblePlan): EnsemblePlan {
  const clocks = plan.clocks.map((clock, i) => ({ ...clock, rate: i === plan.voters - 1 ? 0.3 : 1 }));
  return { ...withSyncs(plan), clocks };
}

/** Few nodes, so that what one client changes is watched by others. */
function onFewNodes(plan: EnsemblePlan): EnsemblePlan {
  return { ...plan, workload: { ...plan.workload, topLevelNodes: 2, writes: 0.5 } };
}

/** Of a multi only the first operations are applied. */
function shortened(length: (txns: MultiTxn['txns']) => number): () => () => void {
  return replaced(multiTxn, 'apply', (original) => (world, multi, context) => {
    const applied: typeof multi = { txns: multi.txns.slice(0, length(multi.txns)) };
    const result = original(world, applied, context);
    multi.stats = applied.stats ?? [];
    return result;
  });
}

const epochs: readonly PlantedEnsembleBug[] = [
  {
    what: 'a zxid is used again',
    invariants: ['order', 'AssertionFailure'],
    plant: replaced(
      Leader.prototype,
      'nextZxid',
      (original) =>
        function (this: Leader) {
          return this.lastProposed % 16 === ALMOST_ALWAYS ? this.lastProposed : original.call(this);
        },
    ),
  },
  {
    what: 'an epoch that was accepted is forgotten',
    invariants: ['leaders'],
    plant: replacedGetter(MemberDatabase.prototype, 'acceptedEpoch', () => 0),
  },
  {
    what: 'who has less than others is elected, and makes an epoch',
    invariants: ['durability'],
    plant: together(
      replaced(
        Election.prototype,
        'start',
        (original) =>
          function (this: Election, nowMs, _own, committed, lastSeen) {
            original.call(this, nowMs, { lastZxid: 0, currentEpoch: 0 }, committed, lastSeen);
          },
      ),
      replaced(
        Discovery.prototype,
        'accepted',
        (original) =>
          function (this: Discovery, voterId) {
            return original.call(this, voterId, { currentEpoch: 0, lastZxid: 0 });
          },
      ),
    ),
  },
  {
    what: 'a leader stays without its followers',
    invariants: ['progress'],
    plant: replaced(Broadcast.prototype, 'hasQuorum', () => () => true),
  },
  {
    what: 'a leader whose followers have left goes on committing',
    invariants: ['quorum'],
    plant: replaced(
      Leader.prototype,
      'forget',
      () =>
        function (this: Leader, serverId) {
          this.acknowledged(serverId, this.lastProposed);
        },
    ),
    faults: isolatedLeaders,
  },
];

const histories: readonly PlantedEnsembleBug[] = [
  {
    what: 'the history that a learner is sent lacks a transaction',
    invariants: ['order', 'durability'],
    plant: replaced(
      CommittedLog.prototype,
      'after',
      (original) =>
        function (this: CommittedLog, zxid) {
          const entries = original.call(this, zxid);
          return entries.length > 2 ? entries.slice(1) : entries;
        },
    ),
    faults: killedServers,
  },
  {
    what: 'what was proposed is in the log, and not in the tree, when a role ends',
    invariants: ['order', 'durability', 'digest', 'AssertionFailure'],
    plant: replaced(Service.prototype, 'fastForward', () => () => {}),
  },
  {
    what: 'proposals carry no digest',
    invariants: ['digest'],
    plant: replaced(
      Leader.prototype,
      'propose',
      (original) =>
        function (this: Leader, zxid, payload) {
          const isRefusal = Buffer.from(payload).readInt32BE(TYPE_OFFSET) === OpCode.error;
          original.call(this, zxid, isRefusal ? payload : payload.subarray(0, payload.length - DIGEST_BYTES));
        },
    ),
  },
  {
    what: 'a digest is not that of the tree',
    invariants: ['digest'],
    plant: replaced(
      PendingChanges.prototype,
      'contentCrc',
      (original) =>
        function (this: PendingChanges, path, dataCrc, dataLength) {
          return original.call(this, path, dataCrc, dataLength) ^ 1;
        },
    ),
  },
];

const sessions: readonly PlantedEnsembleBug[] = [
  {
    what: 'sessions that are closed go on elsewhere',
    invariants: ['handshake'],
    plant: replaced(Leading.prototype, 'revalidate', () => () => true),
  },
  {
    what: 'sessions expire too early',
    invariants: ['expiry'],
    plant: replaced(
      ExpiryQueue.prototype as ExpiryQueue<never>,
      'touch',
      (original) =>
        function (this: ExpiryQueue<never>, item, nowMs, timeoutMs) {
          return original.call(this, item, nowMs, timeoutMs / 3);
        },
    ),
  },
  {
    what: 'a learner lets clients go on without asking, however far behind it is',
    invariants: ['sessions', 'handshake'],
    plant: together(
      replaced(
        Handshake.prototype,
        'accept',
        (original) =>
          function (this: Handshake, client, bytes, start, end) {
            const copy = Buffer.from(bytes.subarray(start, end));
            copy.writeBigInt64BE(0n, LAST_ZXID_OFFSET);
            original.call(this, client, copy, 0, copy.length);
          },
      ),
      replaced(
        Revalidations.prototype,
        'ask',
        (original) =>
          function (this: Revalidations, client, sessionId, timeoutMs) {
            original.call(this, client, sessionId, timeoutMs);
            this.answered(sessionId, true);
          },
      ),
    ),
    faults: slowServers,
  },
  {
    what: 'requests of a connection that a session has left are taken',
    invariants: ['transactions'],
    plant: replaced(
      SessionTable.prototype,
      'get',
      (original) =>
        function (this: SessionTable, id) {
          const session = original.call(this, id);
          if (session !== undefined) {
            session.home = null;
          }
          return session;
        },
    ),
    faults: slowServers,
  },
  {
    what: 'an ephemeral node outlives its session',
    invariants: ['transactions'],
    plant: replaced(
      PendingChanges.prototype,
      'ephemeralsOf',
      (original) =>
        function (this: PendingChanges, sessionId) {
          return original.call(this, sessionId).slice(1);
        },
    ),
    withoutDigests: true,
  },
  {
    what: 'the end of a session leaves its ephemeral nodes where they are',
    invariants: ['events', 'replies', 'durability', 'progress'],
    plant: replaced(closeSessionTxn, 'apply', () => ({ sessions }, _value, { sessionId }) => {
      sessions.close(sessionId);
      return 0;
    }),
    withoutDigests: true,
  },
];

const reads: readonly PlantedEnsembleBug[] = [
  {
    what: 'syncs do not wait for the leader',
    invariants: ['real time'],
    plant: replaced(
      Syncs.prototype,
      'ask',
      (original) =>
        function (this: Syncs) {
          original.call(this);
          return { zxid: 0 };
        },
    ),
    plan: withSyncs,
    faults: slowServers,
  },
  {
    what: 'a sync is answered by a leader that is none any more',
    invariants: ['real time'],
    plant: together(
      replaced(
        SyncGate.prototype,
        'ask',
        (original) =>
          function (this: SyncGate, origin, zxid, then) {
            if (origin !== null || (then ?? null) !== null) {
              original.call(this, origin, zxid, then);
            }
          },
      ),
      replaced(
        Leading.prototype,
        'sync',
        (original) =>
          function (this: Leading) {
            const barrier = original.call(this);
            this.syncDone();
            return barrier;
          },
      ),
    ),
    plan: withSlowLeader,
    faults: oneAfterTheOther(1, () => ({ kind: 'isolation', target: 'leader', way: 'both' })),
  },
  {
    what: 'a watch that has fired stays',
    invariants: ['events'],
    plant: replaced(
      WatchTable.prototype as WatchTable<object>,
      'trigger',
      (original) =>
        function (this: WatchTable<object>, change, deliver) {
          const fired: [string, object][] = [];
          original.call(this, change, (watcher, type, path, acl) => {
            fired.push([path, watcher]);
            deliver(watcher, type, path, acl);
          });
          for (const [path, watcher] of fired) {
            this.add(path, watcher, 'data');
          }
        },
    ),
  },
  {
    what: 'watches are not set again after a reconnect',
    invariants: ['events'],
    plant: replaced(
      setWatches2,
      'answer',
      (original) => (world, requester, lists, reply) =>
        original(world, requester, { ...lists, childWatches: [], dataWatches: [] }, reply),
    ),
    plan: onFewNodes,
    faults: resetClients,
  },
  {
    what: 'what watches have missed during a reconnect is not told',
    invariants: ['events'],
    plant: replaced(
      setWatches2,
      'answer',
      (original) => (world, requester, lists, reply) =>
        original(world, requester, { ...lists, relativeZxid: 1n << 60n }, reply),
    ),
    plan: onFewNodes,
    faults: resetClients,
  },
];

const writes: readonly PlantedEnsembleBug[] = [
  {
    what: 'half of a multi is applied',
    invariants: ['replies', 'events', 'durability'],
    plant: shortened((txns) => Math.ceil(txns.length / 2)),
    withoutDigests: true,
  },
  {
    what: 'a refused multi is applied as far as nothing was refused',
    invariants: ['replies', 'events', 'durability'],
    plant: shortened((txns) => {
      const end = txns.findIndex(({ type }) => type === OpCode.error);
      return end < 0 ? txns.length : end;
    }),
    withoutDigests: true,
  },
  {
    what: 'a sequence number is given twice',
    invariants: ['transactions'],
    plant: replaced(
      PendingChanges.prototype,
      'node',
      (original) =>
        function (this: PendingChanges, path) {
          const node = original.call(this, path);
          const { tree } = this.world;
          const id = node === null ? 0 : tree.find(path);
          if (node !== null && id !== 0) {
            node.cversion = tree.cversion(id);
          }
          return node;
        },
    ),
    withoutDigests: true,
  },
  {
    what: 'everybody may do everything',
    invariants: ['transactions', 'replies', 'events'],
    plant: replaced(AccessControl.prototype, 'permits', () => () => true),
  },
  {
    what: 'a learner says of its clients that they may do everything',
    invariants: ['transactions'],
    plant: replaced(
      Learner.prototype,
      'request',
      (original) =>
        function (this: Learner, request) {
          original.call(this, { ...request, authinfo: [...(request.authinfo ?? []), SUPER] });
        },
    ),
  },
];

const quotas: readonly PlantedEnsembleBug[] = [
  {
    what: 'quotas are not looked at',
    invariants: ['transactions'],
    plant: replaced(QuotaTracker.prototype, 'refusal', () => () => 0),
    plan: withQuotas,
  },
  {
    what: 'a quota holds for what is directly below it only',
    invariants: ['transactions', 'durability', 'replies'],
    plant: replaced(
      QuotaTracker.prototype,
      'refusal',
      (original) =>
        function (this: QuotaTracker, path, ...rest) {
          return path.lastIndexOf('/') > path.indexOf('/', 1) ? 0 : original.call(this, path, ...rest);
        },
    ),
    plan: withQuotas,
  },
  {
    what: 'quotas do not hear of what is deleted',
    invariants: ['transactions', 'durability', 'replies'],
    plant: replaced(
      QuotaTracker.prototype,
      'changed',
      (original) =>
        function (this: QuotaTracker, path, countDelta, bytesDelta) {
          if (countDelta >= 0) {
            original.call(this, path, countDelta, bytesDelta);
          }
        },
    ),
    plan: withQuotas,
  },
];

export const plantedServerBugs: readonly PlantedEnsembleBug[] = [
  ...epochs,
  ...histories,
  ...sessions,
  ...reads,
  ...writes,
  ...quotas,
];
