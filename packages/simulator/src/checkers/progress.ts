/** When nothing fails any more, everybody gets on, and what nobody needs any more goes away. */
import { ttlOfOwner } from '@treekeeper/protocol';
import type { Replica } from '@treekeeper/server/internal';
import type { ModelState } from '../model/state.ts';
import type { WorkloadClient } from '../workload-client.ts';
import { check } from './violation.ts';

export interface ProgressClient {
  readonly client: WorkloadClient;
  /** How many demands were to be met. */
  readonly wanted: number;
}

/** Every client has had its writes acknowledged, and waits for no answer. */
export function checkProgress(clients: readonly ProgressClient[]): void {
  for (const { client, wanted } of clients) {
    const { name, demandsMet } = client;
    check(
      demandsMet >= wanted && client.isIdle,
      'progress',
      () => `${name} got ${demandsMet} of ${wanted} writes done; it is ${client.describe()}`,
    );
  }
}

/** All clients are gone for longer than any timeout: nothing of them is left, and nothing that is due. */
export function checkQuiet({ world, connections }: Replica, { sessions, tree }: ModelState, wallMs: number): void {
  check(sessions.size === 0, 'progress', () => `${sessions.size} sessions have not expired`);
  check(connections.size === 0, 'progress', () => `${connections.size} connections are left`);
  check(world.watches.watchCount === 0, 'progress', () => `${world.watches.watchCount} watches are left`);
  for (const [path, node] of tree.nodes) {
    const kind = tree.kind(node);
    check(kind !== 'ephemeral', 'progress', () => `${path} has outlived its session`);
    const isOver = kind === 'ttl' && wallMs - node.mtimeMs > ttlOfOwner(node.owner) + 1000;
    const isLeft = node.children.length === 0 && (isOver || (kind === 'container' && node.cversion > 0));
    check(!isLeft, 'progress', () => `${path}, a ${kind} node, should have been removed`);
  }
}
