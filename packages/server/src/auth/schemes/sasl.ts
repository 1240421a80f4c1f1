/** The name that a SASL exchange has established. The exchange has an opcode of its own; auth packets are refused. */
import type { Identity, Scheme } from '../scheme.ts';
import { superIdentity } from './super.ts';

/** A Kerberos principal of at most two components: name, name@realm, name/host@realm. Without @ anything goes. */
const PRINCIPAL = /^[^/@]*(\/[^/@]*)?@[^/@]*$/;

/** `anyUserId`: an ACL id that every SASL user matches (letAnySaslUserDoX). */
export function saslScheme(anyUserId: string | null): Scheme {
  return {
    name: 'sasl',
    provesIdentity: true,
    isValid: (aclId) => !aclId.includes('@') || PRINCIPAL.test(aclId),
    matches: (id, aclId) => id === aclId || id === 'super' || aclId === anyUserId,
    authenticate: () => 'refused',
  };
}

/** What a completed exchange makes of a connection. */
export function saslIdentities(name: string, superUsers: readonly string[]): Identity[] {
  const identity = { scheme: 'sasl', id: name };
  return name !== '' && superUsers.includes(name) ? [identity, superIdentity(name)] : [identity];
}
