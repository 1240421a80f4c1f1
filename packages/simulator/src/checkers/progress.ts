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

/** What should be gone when all clients have been for longer than any timeout; null when nothing is left of them. */
export function leftoversIn({ world, connections }: Replica, state: ModelState, wallMs: number): string | null {
  const counts = { sessions: state.sessions.size, connections: connections.size, watches: world.watches.watchCount };
  for (const [name, count] of Object.entries(counts)) {
    if (count > 0) {
      return `${count} ${name}`;
    }
  }
  const { tree } = state;
  for (const [path, node] of tree.nodes) {
    const kind = tree.kind(node);
    const isOver = kind === 'ttl' && wallMs - node.mtimeMs > ttlOfOwner(node.owner);
    const isDue = node.children.length === 0 && (isOver || (kind === 'container' && node.cversion > 0));
    if (kind === 'ephemeral' || isDue) {
      return `${path}, ${kind}`;
    }
  }
  return null;
}
