/** Not an identity but a check: the client says which ensemble it means to talk to. */
import type { Scheme } from '../scheme.ts';

/** `names`: what this ensemble may be called; null lets every name pass. */
export function ensembleScheme(names: readonly string[] | null): Scheme {
  return {
    name: 'ensemble',
    provesIdentity: false,
    isValid: () => false,
    matches: () => false,
    authenticate(_peer, data) {
      if (names === null || data === null || data.length === 0) {
        return [];
      }
      const name = Buffer.from(data.buffer, data.byteOffset, data.length).toString('utf8');
      return names.includes(name) ? [] : 'close';
    },
  };
}
