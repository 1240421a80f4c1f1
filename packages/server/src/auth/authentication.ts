/** How connections come by identities, and what those are good for besides ACLs (client-protocol.md §8.5, §8.7). */
import type { ClientInfo } from '@treekeeper/protocol';
import type { AuthRegistry } from './registry.ts';
import type { AuthResult, Identity, Peer } from './scheme.ts';
import { digestUser } from './schemes/digest.ts';

/** What a connection is from the start: its address, and over TLS the subject of its certificate. */
export function initialIdentities(registry: AuthRegistry, peer: Peer): readonly Identity[] {
  const schemes = peer.certificateSubject === null ? ['ip'] : ['ip', 'x509'];
  return schemes.flatMap((name) => {
    const result = registry.scheme(name)?.authenticate(peer, null);
    return typeof result === 'object' ? result : [];
  });
}

/** Judges an auth packet. Schemes that do not exist, or cannot be had this way, are refused. */
export function checkAuthPacket(
  registry: AuthRegistry,
  scheme: string | null,
  data: Uint8Array | null,
  peer: Peer,
): AuthResult {
  return (scheme === null ? undefined : registry.scheme(scheme))?.authenticate(peer, data) ?? 'refused';
}

/** Whether a connection with these identities may send requests at all; if not, it gets SESSION_CLOSED_REQUIRE_AUTH. */
export function mayRequest(registry: AuthRegistry, identities: readonly Identity[]): boolean {
  const { enforcedSchemes } = registry;
  return enforcedSchemes === null || identities.some(({ scheme }) => enforcedSchemes.includes(scheme));
}

/** The answer of whoAmI, an entry per identity. Password hashes are not told, and scheme super names nobody (§3.5). */
export function clientInfos(identities: readonly Identity[]): ClientInfo[] {
  return identities.map((identity) => ({ authScheme: identity.scheme, user: userName(identity) }));
}

/** The name in an identity; empty for scheme super. */
export function userName({ scheme, id }: Identity): string {
  switch (scheme) {
    case 'digest':
      return digestUser(id);
    case 'super':
      return '';
    default:
      return id;
  }
}
