/** Bugs in changes of the members, and in names that are given twice where the model expects no other. */
import { sequenceSuffix } from '@treekeeper/protocol';
import { PendingChanges } from '../../server/src/replica/pending-changes.ts';
import { MemberReconfiguration } from '../../server/src/replica/reconfiguration.ts';
import { DataTree } from '../../server/src/tree/data-tree.ts';
import { type NodeTable, Row } from '../../server/src/tree/node-table.ts';
import { Leader } from '../../server/src/zab/leader.ts';
import { Membership } from '../../server/src/zab/membership.ts';
import type { Fault } from '../src/ensemble/faults.ts';
import type { EnsemblePlan } from '../src/ensemble/plan.ts';
import { type ModelNode, ModelTree, parentOf } from '../src/model/tree.ts';
import { oneAfterTheOther, type PlantedEnsembleBug, replaced, replacedGetter, together } from './planting.ts';

/** Three voters with an operator, and two servers more. */
function withSpare(plan: EnsemblePlan): EnsemblePlan {
  const { clocks, settings, zab } = plan;
  const operator = {
    isOperator: true,
    sessionTimeoutMs: settings.maxSessionTimeoutMs,
    expireByOwnClock: false,
    pipelineDepth: 3,
    thinkMsMax: 0,
    syncedReads: 0,
  };
  return {
    ...plan,
    voters: 3,
    observers: 0,
    spares: 2,
    groups: [],
    settings: { ...settings, rules: { ...settings.rules, reconfigEnabled: true } },
    zab: { ...zab, reconfigEnabled: true },
    clocks: Array.from({ length: 5 }, () => clocks[0]),
    clients: [...plan.clients.filter(({ isOperator }) => isOperator !== true), operator],
  };
}

/** The two come and go, and two of the others hear of everything late. */
function changes(plan: EnsemblePlan): Fault[] {
  const spares = [4, 5];
  const comings = oneAfterTheOther(8, (_plan, i) => ({
    kind: 'reconfig',
    leaving: i % 2 === 0 ? [] : spares,
    joining: i % 2 === 0 ? spares.map((serverId) => ({ serverId, role: 'participant' })) : [],
    isWhole: i % 4 >= 2,
  }));
  const { safetyMs, zab } = plan;
  const base = { kind: 'slow server', atMs: 0, ms: safetyMs, extraMs: zab.tickTimeMs / 4, rush: false, resets: false };
  return [...[1, 2].map((target) => ({ ...base, target }) as Fault), ...comings(plan)];
}

/** Another text in place of the one that a change of members brings. */
function otherText(change: (text: string) => string): () => () => void {
  return replaced(
    MemberReconfiguration.prototype,
    'next',
    (original) =>
      function (this: MemberReconfiguration, request, zxid) {
        const next = original.call(this, request, zxid);
        return typeof next === 'string' ? change(next) : next;
      },
  );
}

const members: readonly PlantedEnsembleBug[] = [
  {
    what: 'who is to vote is made an observer',
    invariants: ['membership'],
    plant: otherText((text) => text.replace(/^(server\.4=.*):participant/m, '$1:observer')),
    plan: withSpare,
    faults: changes,
  },
  {
    what: 'a change of members is committed by those before it alone',
    invariants: ['quorum'],
    plant: together(
      replacedGetter(Membership.prototype, 'quorum', function () {
        return this.committed;
      }),
      replaced(Leader.prototype, 'useQuorum', () => () => {}),
    ),
    plan: withSpare,
    faults: changes,
  },
];

/** Below few nodes much is made and deleted. */
function onOneNode(plan: EnsemblePlan): EnsemblePlan {
  return { ...plan, workload: { ...plan.workload, topLevelNodes: 1, writes: 0.9 } };
}

function nodesOf(tree: DataTree): NodeTable {
  return (tree as unknown as { readonly nodes: NodeTable }).nodes;
}

/** How far the parent has counted, when the name that it gave last is to be given again. */
function countedBack(path: string, cversion: number): number {
  return path.endsWith(sequenceSuffix(cversion - 1)) ? cversion - 1 : cversion;
}

function countBack(pending: PendingChanges, path: string): void {
  const parent = pending.node(parentOf(path));
  if (parent !== null) {
    const changed = pending.edit(parent);
    changed.cversion = countedBack(path, changed.cversion);
    pending.put(changed);
  }
}

/** With the last name that a node has given to a child, its number goes, in the server as in the model. */
const givingAgain = together(
  replaced(
    PendingChanges.prototype,
    'remove',
    (original) =>
      function (this: PendingChanges, node) {
        original.call(this, node);
        countBack(this, node.path);
      },
  ),
  replaced(
    PendingChanges.prototype,
    'discard',
    (original) =>
      function (this: PendingChanges, path) {
        const isDiscarded = original.call(this, path);
        if (isDiscarded) {
          countBack(this, path);
        }
        return isDiscarded;
      },
  ),
  replaced(
    DataTree.prototype,
    'remove',
    (original) =>
      function (this: DataTree, path, zxid) {
        const result = original.call(this, path, zxid);
        const parent = this.find(parentOf(path));
        if (result === 0) {
          nodesOf(this).setInt(parent, Row.cversion, countedBack(path, this.cversion(parent)));
        }
        return result;
      },
  ),
  replaced(
    ModelTree.prototype,
    'remove',
    (original) =>
      function (this: ModelTree, path, zxid) {
        const change = original.call(this, path, zxid);
        const parent = this.nodes.get(parentOf(path)) as ModelNode;
        this.nodes.set(parentOf(path), { ...parent, cversion: countedBack(path, parent.cversion) });
        return change;
      },
  ),
);

const names: readonly PlantedEnsembleBug[] = [
  {
    what: 'the name of a node that was deleted is given once more, as the model expects',
    invariants: ['sequences'],
    plant: givingAgain,
    plan: onOneNode,
    faults: () => [],
    withoutDigests: true,
  },
];

export const plantedMembershipBugs: readonly PlantedEnsembleBug[] = [...members, ...names];
