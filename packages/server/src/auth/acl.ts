/** Access control lists: checking them, making them fit to be stored, showing them (client-protocol.md §8). */
import { type ACL, ErrorNumber, OPEN_ACL, Perms, type RequestAcl } from '@treekeeper/protocol';
import type { AuthRegistry } from './registry.ts';
import type { Identity } from './scheme.ts';
import { digestUser } from './schemes/digest.ts';
import { hasSuper } from './schemes/super.ts';
import { isAnyone } from './schemes/world.ts';

/** More than a request of the usual limit can hold; many identities times many `auth` entries could fill the memory. */
const EXPANDED_ENTRIES_MAX = 65_536;

export class AccessControl {
  readonly #registry: AuthRegistry;
  readonly #skipAcl: boolean;
  /** `enableEagerACLCheck` */
  readonly eager: boolean;

  constructor(registry: AuthRegistry) {
    this.#registry = registry;
    this.#skipAcl = registry.options.skipAcl;
    this.eager = registry.options.eagerAclCheck;
  }

  /**
   * Whether the list gives one of the permission bits to one of the identities. An empty list gives everything. Nothing
   * is inherited: the list is that of the node asked about.
   */
  permits(acl: readonly ACL[], perms: number, identities: readonly Identity[]): boolean {
    if (this.#skipAcl || acl.length === 0) {
      return true;
    }
    // Almost every list is world:anyone, so that is asked first of every entry, and the superuser last.
    for (let i = 0; i < acl.length; i++) {
      const { id } = acl[i];
      if ((acl[i].perms & perms) !== 0 && (isAnyone(id) || this.#matchesOneOf(identities, id))) {
        return true;
      }
    }
    return hasSuper(identities);
  }

  /**
   * The list as it will be stored: duplicates dropped (in the list as it came), `auth` entries replaced by one per
   * identity that proves who the client is. An error number if the list is null or empty or has a bad entry (§8.3).
   */
  fixAcl(requested: readonly RequestAcl[] | null, identities: readonly Identity[]): ACL[] | number {
    if (requested === null || requested.length === 0) {
      return ErrorNumber.INVALID_ACL;
    }
    if (isOpen(requested)) {
      return OPEN; // nearly always: one list for all nodes that have it
    }
    const fixed: ACL[] = [];
    for (const { perms, id } of withoutDuplicates(requested)) {
      const { scheme } = id;
      if (scheme === 'auth') {
        const proven = identities.filter((one) => this.#registry.scheme(one.scheme)?.provesIdentity);
        if (proven.length === 0) {
          return ErrorNumber.INVALID_ACL;
        }
        if (fixed.length + proven.length > EXPANDED_ENTRIES_MAX) {
          return ErrorNumber.MARSHALLING_ERROR;
        }
        for (const identity of proven) {
          fixed.push({ perms, id: identity });
        }
      } else if (scheme !== null && id.id === null) {
        return ErrorNumber.MARSHALLING_ERROR;
      } else if (scheme !== null && id.id !== null && (isAnyone(id) || this.#registry.scheme(scheme)?.isValid(id.id))) {
        fixed.push({ perms, id: { scheme, id: id.id } });
      } else {
        return ErrorNumber.INVALID_ACL;
      }
    }
    return fixed;
  }

  /** The list as a reader without ADMIN sees it: without the password hashes of digest ids (§8.4). */
  maskAcl(acl: readonly ACL[]): ACL[] {
    return acl.map((entry) =>
      entry.id.scheme === 'digest'
        ? { perms: entry.perms, id: { scheme: 'digest', id: `${digestUser(entry.id.id)}:x` } }
        : entry,
    );
  }

  #matchesOneOf(identities: readonly Identity[], wanted: ACL['id']): boolean {
    const scheme = this.#registry.scheme(wanted.scheme);
    return (
      scheme !== undefined &&
      identities.some((one) => one.scheme === wanted.scheme && scheme.matches(one.id, wanted.id))
    );
  }
}

const OPEN: ACL[] = [...OPEN_ACL];

function isOpen(acl: readonly RequestAcl[]): boolean {
  return acl.length === 1 && acl[0].perms === Perms.all && acl[0].id.scheme === 'world' && acl[0].id.id === 'anyone';
}

/** The entries in order, each once. By key, for a request can hold tens of thousands. */
function withoutDuplicates(acl: readonly RequestAcl[]): Iterable<RequestAcl> {
  const entries = new Map<string, RequestAcl>();
  for (const entry of acl) {
    const key = JSON.stringify([entry.perms, entry.id.scheme, entry.id.id]);
    if (!entries.has(key)) {
      entries.set(key, entry);
    }
  }
  return entries.values();
}
