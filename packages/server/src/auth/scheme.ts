/** What an authentication scheme is, and what it deals in. */
import type { Id } from '@treekeeper/protocol';

/** Something that a connection has been found to be. */
export type Identity = Id;

/** What a scheme may know of the other end of a connection; io's Connection has it. */
export interface Peer {
  readonly remoteAddress: string;
  /** Subject of the verified client certificate in RFC 2253 form; null without one. */
  readonly certificateSubject: string | null;
}

/**
 * What becomes of an attempt to authenticate: identities to add (there may be none), or 'refused' (answer AUTH_FAILED,
 * then close), or 'close' (without an answer, so that the client tries another server instead of giving up).
 */
export type AuthResult = readonly Identity[] | 'refused' | 'close';

/** One scheme (client-protocol.md §8.2). The pseudo schemes world, auth and super are not among them. */
export interface Scheme {
  readonly name: string;
  /** Whether an identity of this scheme says who someone is, so that an `auth` entry may stand for it. */
  readonly provesIdentity: boolean;
  /** Whether an ACL entry may have this id. */
  isValid(aclId: string): boolean;
  /** Whether an identity with this id is meant by an ACL entry with that id. */
  matches(id: string, aclId: string): boolean;
  /** Judges an auth packet, or with null data a connection as it is. */
  authenticate(peer: Peer, data: Uint8Array | null): AuthResult;
}

/** Before each of the texts, and before all of them. */
const LENGTH_BYTES = 4;

/** What a list of identities takes where one server sends it to another (quorum-protocol.md §5.1). */
export function encodedBytes(identities: readonly Identity[]): number {
  let bytes = LENGTH_BYTES;
  for (const { scheme, id } of identities) {
    bytes += 2 * LENGTH_BYTES + Buffer.byteLength(scheme) + Buffer.byteLength(id);
  }
  return bytes;
}

/** The identities with those of `added` that are not among them. Repeating one adds nothing; there is no removal. */
export function withIdentities(known: readonly Identity[], added: readonly Identity[]): readonly Identity[] {
  const fresh = added.filter((one) => !known.some((other) => other.scheme === one.scheme && other.id === one.id));
  return fresh.length === 0 ? known : [...known, ...fresh];
}
