/** DIGEST-MD5 (RFC 2831) as ZooKeeper speaks it: quality of protection "auth" only (client-protocol.md §8.6). */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { TreekeeperError } from '../errors.ts';

const SERVICE = 'zookeeper';
const REALM = 'zk-sasl-md5';
const CLIENT_NONCE_BYTES = 24;
const NONCE_COUNT = '00000001';

export class DigestMd5Conversation {
  readonly #username: string;
  readonly #password: string;
  readonly #clientNonce: string;
  #state: 'new' | 'begun' | 'answered' = 'new';
  #expected = '';

  constructor(username: string, password: string, clientNonce = randomBytes(CLIENT_NONCE_BYTES).toString('base64')) {
    this.#username = username;
    this.#password = password;
    this.#clientNonce = clientNonce;
  }

  /** Its last word is its proof. */
  readonly isSatisfied = false;

  async step(challenge: Uint8Array | null): Promise<Uint8Array | null> {
    if (this.#state === 'new') {
      this.#state = 'begun';
      return new Uint8Array(0);
    }
    const directives = parseDirectives(challenge ?? new Uint8Array(0));
    if (this.#state === 'begun') {
      this.#state = 'answered';
      return this.#response(directives);
    }
    const proof = Buffer.from(directives.get('rspauth') ?? '');
    const expected = Buffer.from(this.#expected);
    if (proof.length !== expected.length || !timingSafeEqual(proof, expected)) {
      throw failure('the server does not know the password either: it may not be the one it says it is');
    }
    return null;
  }

  dispose(): void {
    this.#expected = '';
  }

  #response(challenge: ReadonlyMap<string, string>): Uint8Array {
    const nonce = challenge.get('nonce');
    if (nonce === undefined) {
      throw failure('the server’s challenge has no nonce');
    }
    const realm = challenge.get('realm') ?? REALM;
    const digestUri = `${SERVICE}/${REALM}`;
    const parts = {
      username: this.#username,
      realm,
      password: this.#password,
      nonce,
      clientNonce: this.#clientNonce,
      digestUri,
    };
    this.#expected = digest(parts, '');
    const fields = [
      'charset=utf-8',
      `username=${quoted(this.#username)}`,
      `realm=${quoted(realm)}`,
      `nonce=${quoted(nonce)}`,
      `nc=${NONCE_COUNT}`,
      `cnonce=${quoted(this.#clientNonce)}`,
      `digest-uri=${quoted(digestUri)}`,
      'maxbuf=65536',
      `response=${digest(parts, 'AUTHENTICATE')}`,
      'qop=auth',
    ];
    return Buffer.from(fields.join(','));
  }
}

interface DigestParts {
  readonly username: string;
  readonly realm: string;
  readonly password: string;
  readonly nonce: string;
  readonly clientNonce: string;
  readonly digestUri: string;
}

/** RFC 2831 §2.1.2.1; `method` is empty for the server's proof. */
function digest({ username, realm, password, nonce, clientNonce, digestUri }: DigestParts, method: string): string {
  const secret = md5(Buffer.concat([hashed(username), COLON, hashed(realm), COLON, hashed(password)]));
  const session = md5(Buffer.concat([secret, Buffer.from(`:${nonce}:${clientNonce}`)])).toString('hex');
  const request = md5(Buffer.from(`${method}:${digestUri}`)).toString('hex');
  return md5(Buffer.from(`${session}:${nonce}:${NONCE_COUNT}:${clientNonce}:auth:${request}`)).toString('hex');
}

const COLON = Buffer.from(':');

/** Text that ISO 8859-1 can write is hashed in that, other text in UTF-8. */
function hashed(text: string): Buffer {
  return Buffer.from(text, /[^\0-\xff]/.test(text) ? 'utf8' : 'latin1');
}

function md5(bytes: Buffer): Buffer {
  return createHash('md5').update(bytes).digest();
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** `name=value` pairs, quoted or not. */
function parseDirectives(token: Uint8Array): Map<string, string> {
  const pairs = Buffer.from(token)
    .toString()
    .matchAll(/([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/g);
  return new Map(
    [...pairs].map(([, name, quotedValue, value]) => [
      (name as string).toLowerCase(),
      quotedValue?.replaceAll(/\\(.)/g, '$1') ?? (value as string),
    ]),
  );
}

function failure(message: string): TreekeeperError {
  return new TreekeeperError('AUTH_FAILED', { message: `SASL DIGEST-MD5: ${message}` });
}
