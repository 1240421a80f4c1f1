/** The subject of the client's TLS certificate, which the listener has verified. */
import { isDistinguishedName } from '../distinguished-name.ts';
import type { Scheme } from '../scheme.ts';
import { superIdentity } from './super.ts';

export function x509Scheme(superUser: string | null): Scheme {
  return {
    name: 'x509',
    provesIdentity: true,
    isValid: isDistinguishedName,
    matches: (id, aclId) => id === aclId || id === superUser,
    authenticate({ certificateSubject }) {
      if (certificateSubject === null) {
        return 'refused';
      }
      const identity = { scheme: 'x509', id: certificateSubject };
      return certificateSubject === superUser ? [superIdentity(certificateSubject), identity] : [identity];
    },
  };
}
