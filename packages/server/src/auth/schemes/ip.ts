/** Where the client comes from. Every connection has this identity from the start; it does not prove who it is. */
import { canonicalAddress, isInRange, parseAddress, parseRange } from '../ip-address.ts';
import type { Scheme } from '../scheme.ts';

/** How many texts each of the two parsers remembers. */
const REMEMBERED_MAX = 1000;

export function ipScheme(): Scheme {
  // Every read below an ip ACL asks for the same few addresses again.
  const addressOf = remembering(parseAddress);
  const rangeOf = remembering(parseRange);
  return {
    name: 'ip',
    provesIdentity: false,
    isValid: (aclId) => parseRange(aclId) !== null,
    matches(id, aclId) {
      const address = addressOf(id);
      const range = rangeOf(aclId);
      return address !== null && range !== null && isInRange(address, range);
    },
    authenticate: (peer) => [{ scheme: 'ip', id: canonicalAddress(peer.remoteAddress) }],
  };
}

function remembering<T>(parse: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    let value = known.get(text);
    if (value === undefined) {
      if (known.size === REMEMBERED_MAX) {
        known.clear();
      }
      value = parse(text);
      known.set(text, value);
    }
    return value;
  };
}
