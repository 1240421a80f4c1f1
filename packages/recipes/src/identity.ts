/**
 * A program that was killed and is back before its old session has timed out would wait for itself. With an identity
 * it finds, by their names, the nodes that its earlier run has left, and ends them.
 */
import { RecipeError } from './errors.ts';

/** What makes a node's name unique, as the client and Curator write it. */
const UNIQUE = /^_c_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-/;

/** What a node is called; the identity stands before it, where neither Curator nor kazoo look. */
export function nameWith(identity: string | undefined, name: string): string {
  return identity === undefined ? name : `${identity}-${name}`;
}

/** Rejects what can be no part of a node's name: throws INVALID_OPTION. */
export function checkIdentity(identity: string | undefined, path: string): void {
  if (identity !== undefined && (identity === '' || identity.includes('/'))) {
    const message = `identity is ${JSON.stringify(identity)}; it becomes part of a node's name, without /`;
    throw new RecipeError('INVALID_OPTION', path, message);
  }
}

/** Whether a node has one of the names that a run of this identity gives. */
export function isOfIdentity(child: string, identity: string, ...names: readonly string[]): boolean {
  const rest = child.replace(UNIQUE, '');
  const starts = names.map((name) => nameWith(identity, name));
  return rest !== child && starts.some((start) => rest.startsWith(start) && /^-?\d*$/.test(rest.slice(start.length)));
}
