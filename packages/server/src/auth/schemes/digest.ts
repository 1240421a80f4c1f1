/** User and password, sent in clear text; the identity is the user with a hash of both. */
import { createHash } from 'node:crypto';
import type { Scheme } from '../scheme.ts';
import { superIdentity } from './super.ts';

/**
 * The id that `user:password` stands for: `user:` and the base64 of the hash of the whole text. Text without a colon is
 * a user without password. Throws Error when there is no such `algorithm`; Java's names are understood.
 */
export function digestId(userAndPassword: string, algorithm: string): string {
  // A text of its own: as a part of the other it would keep all of that in memory, the password and all.
  const user = Buffer.from(digestUser(userAndPassword)).toString();
  return `${user}:${createHash(algorithm).update(userAndPassword).digest('base64')}`;
}

/**
 * Never refuses a password: a wrong one makes an identity that nothing matches. The password behind `superDigest` makes
 * a connection super as well.
 */
export function digestScheme(algorithm: string, superDigest: string | null): Scheme {
  return {
    name: 'digest',
    provesIdentity: true,
    isValid: (aclId) => /^[^:]*:[^:]+:*$/.test(aclId),
    matches: (id, aclId) => id === aclId,
    authenticate(_peer, data) {
      if (data === null) {
        return 'refused';
      }
      const id = digestId(Buffer.from(data.buffer, data.byteOffset, data.length).toString('utf8'), algorithm);
      const identity = { scheme: 'digest', id };
      return id === superDigest ? [superIdentity(''), identity] : [identity];
    },
  };
}

/** The user of a digest id: what stands before the colon. */
export function digestUser(id: string): string {
  return id.split(':', 1)[0];
}
