/**
 * JKS, Java's own store up to version 8 (big endian, in the manner of Java's DataOutput): a header, entries, and a
 * SHA-1 over the password and all of it. Private keys are hidden under a key stream of chained SHA-1 digests.
 */
import { createHash, createPrivateKey, type KeyObject, timingSafeEqual, type X509Certificate } from 'node:crypto';
import { expectTag, oidOf, readDer, sequenceOf, Tag } from './der.ts';
import { type KeyEntry, parseCertificate, type StoreContents, StoreError, type StorePurpose } from './store.ts';

const DIGEST_BYTES = 20;
/** Mixed into the digest of the store, between password and data. */
const WHITENER = 'Mighty Aphrodite';
const KEY_PROTECTION_OID = '1.3.6.1.4.1.42.2.17.1.1';

/** @param password null reads certificates, unchecked, as Java does */
export function readJks(bytes: Buffer, password: string | null, purpose: StorePurpose): StoreContents {
  if (bytes.length < 12 + DIGEST_BYTES) {
    throw new StoreError('the JKS store is cut short');
  }
  const body = bytes.subarray(0, bytes.length - DIGEST_BYTES);
  const passwordBytes = password === null ? null : utf16be(password);
  if (passwordBytes !== null) {
    checkIntegrity(body, bytes.subarray(body.length), passwordBytes);
  }
  const input = new DataInput(body);
  input.uint32();
  const version = input.uint32();
  if (version !== 1 && version !== 2) {
    throw new StoreError(`JKS version ${version} is not known`);
  }
  const keys: KeyEntry[] = [];
  const trusted: X509Certificate[] = [];
  const count = input.uint32();
  for (let i = 0; i < count; i++) {
    const tag = input.uint32();
    const alias = input.text();
    input.take(8); // the time it was stored
    if (tag === 1) {
      const hidden = input.take(input.uint32());
      const length = input.uint32();
      const chain = Array.from({ length }, () => certificate(input, version, alias));
      trusted.push(...chain.slice(0, 1));
      if (purpose === 'keyStore') {
        keys.push({ key: revealKey(hidden, passwordBytes, alias), chain });
      }
    } else if (tag === 2) {
      trusted.push(certificate(input, version, alias));
    } else {
      throw new StoreError(`entry "${alias}" of the JKS store is of an unknown kind, ${tag}`);
    }
  }
  return { keys, trusted };
}

function checkIntegrity(body: Buffer, stored: Buffer, password: Buffer): void {
  const digest = createHash('sha1').update(password).update(WHITENER).update(body).digest();
  if (!timingSafeEqual(digest, stored)) {
    throw new StoreError('the password is wrong, or the JKS store is damaged');
  }
}

function certificate(input: DataInput, version: number, alias: string): X509Certificate {
  const type = version === 2 ? input.text() : 'X.509';
  const bytes = input.take(input.uint32());
  if (type !== 'X.509') {
    throw new StoreError(`entry "${alias}" holds a certificate of type ${type}, not X.509`);
  }
  return parseCertificate(bytes, `the certificate of entry "${alias}"`);
}

/** salt (20 bytes), the key XOR the stream, and SHA-1 over password and key as the check. */
function revealKey(encrypted: Buffer, password: Buffer | null, alias: string): KeyObject {
  if (password === null) {
    throw new StoreError(`it holds the private key "${alias}" and no password is set`);
  }
  const [algorithm, data] = sequenceOf(readDer(encrypted), 'protected key');
  if (oidOf(sequenceOf(algorithm, 'key protection')[0], 'key protection') !== KEY_PROTECTION_OID) {
    throw new StoreError(`the private key "${alias}" is protected in a way that is not JKS's own`);
  }
  const { content } = expectTag(data, Tag.octetString, 'protected key');
  if (content.length < 2 * DIGEST_BYTES) {
    throw new StoreError(`the private key "${alias}" is cut short`);
  }
  const check = content.subarray(content.length - DIGEST_BYTES);
  const plain = Buffer.from(content.subarray(DIGEST_BYTES, content.length - DIGEST_BYTES));
  let stream = content.subarray(0, DIGEST_BYTES);
  for (let at = 0; at < plain.length; at++) {
    if (at % DIGEST_BYTES === 0) {
      stream = createHash('sha1').update(password).update(stream).digest();
    }
    plain[at] ^= stream[at % DIGEST_BYTES];
  }
  if (!timingSafeEqual(createHash('sha1').update(password).update(plain).digest(), check)) {
    throw new StoreError(
      `the private key "${alias}" has a password other than the store's; ` +
        `make them equal: keytool -keypasswd -alias ${alias}`,
    );
  }
  return createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' });
}

function utf16be(text: string): Buffer {
  return Buffer.from(text, 'utf16le').swap16();
}

/** What java.io.DataInput reads, as far as JKS uses it. */
class DataInput {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) {
      throw new StoreError('the JKS store ends in the middle of an entry');
    }
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  uint32(): number {
    return this.take(4).readUInt32BE(0);
  }

  /** Java's modified UTF-8, which differs from UTF-8 only where aliases do not go; they serve messages only. */
  text(): string {
    return this.take(this.take(2).readUInt16BE(0)).toString('utf8');
  }
}
