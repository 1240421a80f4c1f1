/** Checks that several writes share, each in the place ZooKeeper has it (client-protocol.md §3.4). */
import { ErrorNumber, Perms, parentPath } from '@treekeeper/protocol';
import type { PendingNode, Preparation } from './operation.ts';

/** What create and delete ask of a path before they look at the tree: a slash somewhere, and no NUL. */
export function hasParent(path: string): boolean {
  return path.includes('/') && !path.includes('\0');
}

/** The node above, "/" standing for the root's two names; null when it will be missing. */
export function pendingParent(preparation: Preparation, path: string): PendingNode | null {
  return preparation.node(parentPath(path) || '/');
}

export function mayDo(preparation: Preparation, node: PendingNode, perms: number): boolean {
  return preparation.world.access.permits(node.acl, perms, preparation.identities);
}

/** Version −1 matches any. */
export function versionMatches(actual: number, expected: number): boolean {
  return expected === -1 || expected === actual;
}

/** The version after `version`: −1 is skipped when it wraps, because it means "any" (3.10). */
export function nextVersion(version: number): number {
  const next = (version + 1) | 0;
  return next === -1 ? 0 : next;
}

/** For getACL and the event filter. */
export const READ_OR_ADMIN = Perms.read | Perms.admin;

/** 0, or the error for a session that may not write. */
export function sessionError(preparation: Preparation): number {
  const { world, sessionId } = preparation;
  if (sessionId === 0n) {
    return 0; // the server itself: reaper
  }
  const session = world.sessions.get(sessionId);
  if (session === undefined) {
    return world.sessions.mayBeElsewhere(sessionId) ? 0 : ErrorNumber.SESSION_EXPIRED;
  }
  return session.closing ? ErrorNumber.SESSION_EXPIRED : 0;
}

/** 0, or the error for a local session that is not on its way to become a global one (client-protocol.md §2.7). */
export function ephemeralError({ world, sessionId }: Preparation): number {
  const session = world.sessions.get(sessionId);
  const isLocal = session === undefined || (session.local && !session.upgrading);
  return isLocal ? ErrorNumber.EPHEMERAL_ON_LOCAL_SESSION : 0;
}
