/** What a key store or trust store holds, whichever format it came in. */
import { type KeyObject, X509Certificate } from 'node:crypto';

export interface KeyEntry {
  readonly key: KeyObject;
  /** The key's own certificate first, then each one's issuer as far as the store has them. */
  readonly chain: readonly X509Certificate[];
}

/** What a store is opened for. Private keys of trust stores may have passwords that nobody knows here. */
export type StorePurpose = 'keyStore' | 'trustStore';

export interface StoreContents {
  /** May be left out of a trust store. */
  readonly keys: readonly KeyEntry[];
  /** What Java would trust: trusted entries, and the own certificates of keys. */
  readonly trusted: readonly X509Certificate[];
}

/** A store cannot be used as it is. The message says why and what to do; the caller adds the file and the setting. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

/** Parses certificates, naming the one that does not parse. */
export function parseCertificate(bytes: Buffer | string, what: string): X509Certificate {
  try {
    return new X509Certificate(bytes);
  } catch (error) {
    throw new StoreError(`${what} does not parse: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Finds a key's certificate among many and follows the issuers; empty when none belongs to the key. */
export function chainFor(key: KeyObject, certificates: readonly X509Certificate[]): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = certificates.find((certificate) => certificate.checkPrivateKey(key));
  while (next !== undefined) {
    const last = next;
    chain.push(last);
    // Stores may hold one certificate twice, and a root is its own issuer.
    const isNew = (candidate: X509Certificate) => chain.every(({ raw }) => !raw.equals(candidate.raw));
    next = certificates.find((candidate) => last.checkIssued(candidate) && isNew(candidate));
  }
  return chain;
}
