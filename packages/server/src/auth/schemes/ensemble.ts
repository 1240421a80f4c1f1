/** Not an identity but a check: the client says which ensemble it means to talk to. */
import type { Scheme } from '../scheme.ts';

/** How often clients named this ensemble, another one, or none where names do not matter. */
export interface EnsembleTallies {
  readonly success: { value: number };
  readonly fail: { value: number };
  readonly skip: { value: number };
}

/** `names`: what this ensemble may be called; null lets every name pass. */
export function ensembleScheme(names: readonly string[] | null, tallies: EnsembleTallies): Scheme {
  return {
    name: 'ensemble',
    provesIdentity: false,
    isValid: () => false,
    matches: () => false,
    authenticate(_peer, data) {
      if (names === null || data === null || data.length === 0) {
        tallies.skip.value++;
        return [];
      }
      const name = Buffer.from(data.buffer, data.byteOffset, data.length).toString('utf8');
      const known = names.includes(name);
      (known ? tallies.success : tallies.fail).value++;
      return known ? [] : 'close';
    },
  };
}
