/** Paths between a client's view and the server's: client-protocol.md §5.8. */
import { pathFault } from '@treekeeper/protocol';
import { TreekeeperError } from './errors.ts';

/** What the server calls `path`. Throws INVALID_PATH. */
export function toServer(root: string, path: string, operation: string): string {
  checkPath(path, path, operation);
  return join(root, path);
}

/** As `toServer`, for a name that the server completes: it may end with a slash. */
export function toServerSequential(root: string, path: string, operation: string): string {
  checkPath(`${path}0`, path, operation);
  return root + path;
}

export function join(root: string, path: string): string {
  return root === '' ? path : path === '/' ? root : root + path;
}

/** Whether a path of the server's is the root or below it, and not that of a neighbour whose name begins so. */
export function isWithin(root: string, path: string): boolean {
  return path.startsWith(root) && (path.length === root.length || root === '' || path[root.length] === '/');
}

/** What the client calls a path of the server's; one that it cannot name stays as it is. */
export function toClient(root: string, path: string): string {
  if (root === '' || !isWithin(root, path)) {
    return path;
  }
  return path.length === root.length ? '/' : path.slice(root.length);
}

function checkPath(checked: unknown, path: unknown, operation: string): void {
  const fault = typeof path === 'string' ? pathFault(checked as string) : `a path is a string, not ${typeof path}`;
  if (fault !== null) {
    throw new TreekeeperError('INVALID_PATH', { operation, path: String(path), message: fault });
  }
}
