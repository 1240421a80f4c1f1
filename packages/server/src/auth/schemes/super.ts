/** Pseudo scheme: identities that pass every check. Other schemes hand them out; no ACL can name them. */
import type { Identity } from '../scheme.ts';

const SUPER = 'super';

/** `id` is the name that another scheme knows the superuser by; empty for a digest. */
export function superIdentity(id: string): Identity {
  return { scheme: SUPER, id };
}

export function hasSuper(identities: readonly Identity[]): boolean {
  return identities.some(({ scheme }) => scheme === SUPER);
}
