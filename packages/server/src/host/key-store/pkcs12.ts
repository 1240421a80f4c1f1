/**
 * PKCS12 stores (RFC 7292), key stores and trust stores alike. Node takes only key stores, and not those of Java 8 and
 * OpenSSL 1.1, whose ciphers its OpenSSL has dropped.
 */
import {
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  hash,
  type KeyObject,
  pbkdf2Sync,
  timingSafeEqual,
  type X509Certificate,
} from 'node:crypto';
import { childrenOf, DerError, type DerValue, expectTag, integerOf, oidOf, readDer, sequenceOf, Tag } from './der.ts';
import { decryptRc2Cbc } from './rc2.ts';
import { chainFor, parseCertificate, type StoreContents, StoreError } from './store.ts';

const Oid = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  keyBag: '1.2.840.113549.1.12.10.1.1',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  safeContentsBag: '1.2.840.113549.1.12.10.1.6',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  /** Java's mark on a certificate that is an entry of its own, to be trusted. */
  javaTrusted: '2.16.840.1.113894.746875.1.1',
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
} as const;

/** Digests of the MAC, by object identifier. */
const macDigests: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

/** HMACs of PBKDF2; SHA-1 when none is named. */
const hmacDigests: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};

/** Ciphers of PBES2. */
const pbes2Ciphers: Readonly<Record<string, { name: string; keyBytes: number }>> = {
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyBytes: 24 },
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyBytes: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyBytes: 24 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyBytes: 32 },
};

/** PKCS12's own schemes (RFC 7292 appendix C), all with SHA-1. */
const legacyCiphers: Readonly<Record<string, { name: 'des-ede3-cbc' | 'rc2'; keyBytes: number }>> = {
  '1.2.840.113549.1.12.1.3': { name: 'des-ede3-cbc', keyBytes: 24 },
  '1.2.840.113549.1.12.1.5': { name: 'rc2', keyBytes: 16 },
  '1.2.840.113549.1.12.1.6': { name: 'rc2', keyBytes: 5 },
};

/** What deriveKey (RFC 7292 appendix B.3) makes: the purpose goes into the derivation. */
const Purpose = { key: 1, iv: 2, mac: 3 } as const;

interface Password {
  readonly text: string;
  /** Two bytes per character and two zeros; or nothing at all, which is the other way to write the empty password. */
  readonly bmp: Buffer;
}

interface Found {
  readonly keys: KeyObject[];
  readonly marked: X509Certificate[];
  readonly certificates: X509Certificate[];
}

/** @param password null is taken as the empty one */
export function readPkcs12(bytes: Buffer, password: string | null): StoreContents {
  const [, authSafe, macData] = sequenceOf(readDer(bytes), 'PKCS12 store');
  const safe = contentOf(authSafe);
  if (safe.oid !== Oid.data) {
    throw new StoreError('the PKCS12 store is signed with a public key, not with a password');
  }
  const contents = expectTag(safe.content, Tag.octetString, 'authenticated safe').content;
  const secret = findPassword(password, macData, contents);
  const found: Found = { keys: [], marked: [], certificates: [] };
  for (const info of sequenceOf(readDer(contents), 'authenticated safe')) {
    collectBags(readDer(safeContents(info, secret)), secret, found);
  }
  const keys = found.keys.map((key) => {
    const chain = chainFor(key, found.certificates);
    if (chain.length === 0) {
      throw new StoreError('no certificate in the PKCS12 store belongs to its private key');
    }
    return { key, chain };
  });
  // A store of certificates only, made by others than Java, has no marks: all of it is meant to be trusted.
  const unmarked = keys.length === 0 && found.marked.length === 0;
  const trusted = unmarked ? found.certificates : [...found.marked, ...keys.map(({ chain }) => chain[0])];
  return { keys, trusted };
}

function contentOf(info: DerValue | undefined): { oid: string; content: DerValue } {
  const [type, content] = sequenceOf(info, 'content info');
  const oid = oidOf(type, 'content type');
  return { oid, content: readDer(expectTag(content, Tag.context0, 'content').content) };
}

/** The MAC tells a wrong password from a damaged file, and the empty password in its two spellings apart. */
function findPassword(password: string | null, macData: DerValue | undefined, contents: Buffer): Password {
  const text = password ?? '';
  const spellings = [Buffer.from(`${text}\0`, 'utf16le').swap16()];
  if (text === '') {
    spellings.push(Buffer.alloc(0));
  }
  const bmp = macData === undefined ? spellings[0] : spellings.find((bytes) => macFits(macData, contents, bytes));
  if (bmp === undefined) {
    throw new StoreError(
      password === null ? 'it has a password and none is set' : 'the password is wrong, or the PKCS12 store is damaged',
    );
  }
  return { text, bmp };
}

function macFits(macData: DerValue, contents: Buffer, bmp: Buffer): boolean {
  const [digestInfo, salt, iterations] = sequenceOf(macData, 'MAC');
  const [algorithm, digest] = sequenceOf(digestInfo, 'MAC digest');
  const oid = oidOf(sequenceOf(algorithm, 'MAC algorithm')[0], 'MAC algorithm');
  const hash = macDigests[oid];
  if (hash === undefined) {
    throw new StoreError(`the PKCS12 store is protected by an unknown MAC (${oid})`);
  }
  const rounds = iterations === undefined ? 1 : integerOf(iterations, 'MAC iterations');
  const saltBytes = expectTag(salt, Tag.octetString, 'MAC salt').content;
  const expected = expectTag(digest, Tag.octetString, 'MAC value').content;
  const key = deriveKey(hash, bmp, saltBytes, rounds, Purpose.mac, expected.length);
  const actual = createHmac(hash, key).update(contents).digest();
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}

function safeContents(info: DerValue, password: Password): Buffer {
  const { oid, content } = contentOf(info);
  if (oid === Oid.data) {
    return expectTag(content, Tag.octetString, 'safe contents').content;
  }
  if (oid !== Oid.encryptedData) {
    throw new StoreError('the PKCS12 store is encrypted for a public key, not a password');
  }
  const [, encrypted] = sequenceOf(content, 'encrypted data');
  const [, algorithm, data] = sequenceOf(encrypted, 'encrypted content');
  return decrypt(algorithm, expectTag(data, Tag.context0Primitive, 'encrypted content').content, password);
}

function collectBags(contents: DerValue, password: Password, found: Found): void {
  for (const bag of sequenceOf(contents, 'safe contents')) {
    const [type, wrapped, attributes] = sequenceOf(bag, 'safe bag');
    const oid = oidOf(type, 'bag type');
    const value = readDer(expectTag(wrapped, Tag.context0, 'bag value').content);
    if (oid === Oid.keyBag) {
      found.keys.push(parseKey(value.raw));
    } else if (oid === Oid.shroudedKeyBag) {
      const [algorithm, data] = sequenceOf(value, 'encrypted key');
      found.keys.push(
        parseKey(decrypt(algorithm, expectTag(data, Tag.octetString, 'encrypted key').content, password)),
      );
    } else if (oid === Oid.certBag) {
      collectCertificate(value, attributes, found);
    } else if (oid === Oid.safeContentsBag) {
      collectBags(value, password, found);
    } // secrets and revocation lists are of no use here
  }
}

function collectCertificate(value: DerValue, attributes: DerValue | undefined, found: Found): void {
  const [type, wrapped] = sequenceOf(value, 'certificate bag');
  if (oidOf(type, 'certificate type') !== Oid.x509Certificate) {
    return;
  }
  const octets = readDer(expectTag(wrapped, Tag.context0, 'certificate').content);
  const what = `certificate ${found.certificates.length + 1}`;
  const certificate = parseCertificate(expectTag(octets, Tag.octetString, 'certificate').content, what);
  found.certificates.push(certificate);
  const marks = attributes === undefined ? [] : childrenOf(attributes);
  if (marks.some((mark) => oidOf(sequenceOf(mark, 'attribute')[0], 'attribute') === Oid.javaTrusted)) {
    found.marked.push(certificate);
  }
}

function parseKey(pkcs8: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  } catch (error) {
    throw new StoreError(`its private key does not parse: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function decrypt(algorithm: DerValue | undefined, data: Buffer, password: Password): Buffer {
  const [type, parameters] = sequenceOf(algorithm, 'encryption');
  const oid = oidOf(type, 'encryption');
  try {
    return oid === Oid.pbes2
      ? decryptPbes2(parameters, data, password)
      : decryptLegacy(oid, parameters, data, password);
  } catch (error) {
    if (error instanceof StoreError || error instanceof DerError) {
      throw error;
    }
    throw new StoreError('a part of the PKCS12 store does not decrypt with the password of the store');
  }
}

function decryptPbes2(parameters: DerValue | undefined, data: Buffer, password: Password): Buffer {
  const [kdf, scheme] = sequenceOf(parameters, 'PBES2 parameters');
  const [kdfOid, kdfParameters] = sequenceOf(kdf, 'key derivation');
  if (oidOf(kdfOid, 'key derivation') !== Oid.pbkdf2) {
    throw new StoreError('the key derivation is not PBKDF2');
  }
  const [salt, iterations, ...rest] = sequenceOf(kdfParameters, 'PBKDF2 parameters');
  const prf = rest.find(({ tag }) => tag === Tag.sequence);
  const digest = prf === undefined ? 'sha1' : hmacDigests[oidOf(childrenOf(prf)[0], 'PBKDF2 HMAC')];
  const [cipherOid, iv] = sequenceOf(scheme, 'PBES2 cipher');
  const cipher = pbes2Ciphers[oidOf(cipherOid, 'PBES2 cipher')];
  if (digest === undefined || cipher === undefined) {
    throw unknownEncryption(oidOf(cipherOid, 'PBES2 cipher'));
  }
  const saltBytes = expectTag(salt, Tag.octetString, 'PBKDF2 salt').content;
  const key = pbkdf2Sync(password.text, saltBytes, integerOf(iterations, 'PBKDF2 iterations'), cipher.keyBytes, digest);
  const decipher = createDecipheriv(cipher.name, key, expectTag(iv, Tag.octetString, 'initial vector').content);
  return Buffer.concat([decipher.update(data), decipher.final()]);
}

function decryptLegacy(oid: string, parameters: DerValue | undefined, data: Buffer, password: Password): Buffer {
  const cipher = legacyCiphers[oid];
  if (cipher === undefined) {
    throw unknownEncryption(oid);
  }
  const [salt, iterations] = sequenceOf(parameters, 'encryption parameters');
  const saltBytes = expectTag(salt, Tag.octetString, 'salt').content;
  const rounds = integerOf(iterations, 'iterations');
  const key = deriveKey('sha1', password.bmp, saltBytes, rounds, Purpose.key, cipher.keyBytes);
  const iv = deriveKey('sha1', password.bmp, saltBytes, rounds, Purpose.iv, 8);
  if (cipher.name === 'rc2') {
    return withoutPadding(decryptRc2Cbc(key, cipher.keyBytes * 8, iv, data));
  }
  const decipher = createDecipheriv(cipher.name, key, iv);
  return Buffer.concat([decipher.update(data), decipher.final()]);
}

function unknownEncryption(oid: string): StoreError {
  return new StoreError(
    `a part of the PKCS12 store is encrypted in a way that is not supported (${oid}); write it anew: ` +
      'keytool -importkeystore -srckeystore <file> -destkeystore <new file> -deststoretype PKCS12',
  );
}

function withoutPadding(plain: Buffer): Buffer {
  const padding = plain.at(-1) ?? 0;
  if (padding < 1 || padding > 8 || !plain.subarray(-padding).every((byte) => byte === padding)) {
    throw new StoreError('a part of the PKCS12 store does not decrypt with the password of the store');
  }
  return plain.subarray(0, plain.length - padding);
}

/** RFC 7292 appendix B.2, with its letters. */
export function deriveKey(
  digest: string,
  password: Buffer,
  salt: Buffer,
  iterations: number,
  purpose: number,
  length: number,
): Buffer {
  const blockBytes = digest === 'sha384' || digest === 'sha512' ? 128 : 64; // v
  const diversifier = Buffer.alloc(blockBytes, purpose); // D
  const input = Buffer.concat([repeated(salt, blockBytes), repeated(password, blockBytes)]); // I = S ‖ P
  const output: Buffer[] = [];
  for (let made = 0; made < length; made += output.at(-1)?.length ?? length) {
    let block = createHash(digest).update(diversifier).update(input).digest(); // A
    for (let i = 1; i < iterations; i++) {
      block = hash(digest, block, 'buffer');
    }
    output.push(block);
    const addend = repeated(block, blockBytes).subarray(0, blockBytes); // B
    for (let at = 0; at < input.length; at += blockBytes) {
      addPlusOne(input.subarray(at, at + blockBytes), addend);
    }
  }
  return Buffer.concat(output).subarray(0, length);
}

/** The bytes over and over, up to the next multiple of `blockBytes`. */
function repeated(bytes: Buffer, blockBytes: number): Buffer {
  return Buffer.alloc(Math.ceil(bytes.length / blockBytes) * blockBytes, bytes);
}

/** target = target + addend + 1, as big endian numbers of equal width, the overflow dropped. */
function addPlusOne(target: Buffer, addend: Buffer): void {
  let carry = 1;
  for (let i = target.length - 1; i >= 0; i--) {
    carry += target[i] + addend[i];
    target[i] = carry & 0xff;
    carry >>= 8;
  }
}
