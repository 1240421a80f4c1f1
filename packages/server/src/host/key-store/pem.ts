/** PEM stores as ZooKeeper takes them: a private key and its certificates in one file, in any order. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import {
  chainFor,
  type KeyEntry,
  parseCertificate,
  type StoreContents,
  StoreError,
  type StorePurpose,
} from './store.ts';

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/** The blocks of one kind, complete with their BEGIN and END lines. */
export function pemBlocks(text: string, isWanted: (label: string) => boolean): string[] {
  return [...text.matchAll(BLOCK)].filter((match) => isWanted(match[1])).map((match) => match[0]);
}

export function readPem(text: string, password: string | null, purpose: StorePurpose): StoreContents {
  const certificates = pemBlocks(text, (label) => /^(X509 )?CERTIFICATE$/.test(label)).map((block, i) =>
    parseCertificate(block, `certificate ${i + 1}`),
  );
  const keyBlocks = purpose === 'keyStore' ? pemBlocks(text, (label) => label.endsWith('PRIVATE KEY')) : [];
  const keys = keyBlocks.map((block): KeyEntry => {
    const key = privateKey(block, password);
    const chain = chainFor(key, certificates);
    if (chain.length === 0) {
      throw new StoreError('no certificate in the file belongs to its private key');
    }
    return { key, chain };
  });
  if (keys.length === 0 && certificates.length === 0) {
    throw new StoreError('no certificate and no private key in PEM form (-----BEGIN ...) in it');
  }
  return { keys, trusted: certificates };
}

function privateKey(block: string, password: string | null): KeyObject {
  const encrypted = block.includes('ENCRYPTED');
  if (encrypted && password === null) {
    throw new StoreError('its private key is encrypted and no password is set');
  }
  try {
    return createPrivateKey(encrypted ? { key: block, passphrase: password ?? '' } : block);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (!encrypted) {
      throw new StoreError(`its private key does not parse: ${reason}`);
    }
    throw new StoreError(
      `its private key cannot be decrypted: the password is wrong, or the encryption too old (${reason}); ` +
        're-encrypt it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in <key> -out <new key>',
    );
  }
}
