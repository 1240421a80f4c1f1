/**
 * The server's side of DIGEST-MD5 (RFC 2831) as ZooKeeper speaks it (client-protocol.md §8.6): initial authentication
 * only, quality of protection "auth" only.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

export interface DigestMd5Options {
  /** First part of the digest-uri: `zookeeper`. */
  readonly service: string;
  /** Second part of the digest-uri, and the realm: `zk-sasl-md5`. */
  readonly realm: string;
  /** Undefined: there is no such user. */
  passwordOf(user: string): string | undefined;
  randomBytes(sizeBytes: number): Uint8Array;
}

export const ZOOKEEPER_SERVICE = 'zookeeper';
export const ZOOKEEPER_REALM = 'zk-sasl-md5';

export type DigestMd5Step =
  | { readonly kind: 'challenge'; readonly token: Uint8Array }
  /** The client has proved to be `user`; the token proves the same of the server. */
  | { readonly kind: 'done'; readonly token: Uint8Array; readonly user: string }
  /** For the log: clients are not told why. The exchange is over. */
  | { readonly kind: 'failed'; readonly reason: string };

const NONCE_BYTES = 30;
/** RFC 2831 §2.1.2. */
const RESPONSE_BYTES_MAX = 4096;
/** Each nonce is used once. */
const NONCE_COUNT = '00000001';

/** One exchange: the first token is answered with a challenge, the second decides. */
export class DigestMd5Server {
  readonly #options: DigestMd5Options;
  #state: 'new' | 'challenged' | 'over' = 'new';
  #nonce = '';

  constructor(options: DigestMd5Options) {
    this.#options = options;
  }

  /** The first token is not looked at: ZooKeeper's clients send none, and what others send there means nothing. */
  step(token: Uint8Array): DigestMd5Step {
    if (this.#state === 'new') {
      this.#state = 'challenged';
      this.#nonce = Buffer.from(this.#options.randomBytes(NONCE_BYTES)).toString('base64');
      const challenge = `realm="${this.#options.realm}",nonce="${this.#nonce}",charset=utf-8,algorithm=md5-sess`;
      return { kind: 'challenge', token: Buffer.from(challenge, 'latin1') };
    }
    if (this.#state === 'over') {
      return { kind: 'failed', reason: 'a token after the end of the exchange' };
    }
    this.#state = 'over';
    return this.#verify(token);
  }

  #verify(token: Uint8Array): DigestMd5Step {
    const directives = token.length > RESPONSE_BYTES_MAX ? null : parseDirectives(token);
    if (directives === null) {
      return { kind: 'failed', reason: 'the response is not a list of name=value pairs, each name once' };
    }
    const fault = this.#fault(directives);
    if (fault !== null) {
      return { kind: 'failed', reason: fault };
    }
    const charset = directives.has('charset') ? 'utf8' : 'latin1';
    const user = Buffer.from(directives.get('username') ?? '', 'latin1').toString(charset);
    const password = this.#options.passwordOf(user);
    if (password === undefined) {
      return { kind: 'failed', reason: `there is no user "${user}"` };
    }
    const exchange: DigestMd5Exchange = {
      user,
      realm: this.#options.realm,
      password,
      nonce: this.#nonce,
      clientNonce: directives.get('cnonce') ?? '',
      digestUri: directives.get('digest-uri') ?? '',
      authorizationId: directives.get('authzid') ?? null,
    };
    const expected = Buffer.from(digestMd5Response(exchange, 'client'));
    const actual = Buffer.from(directives.get('response') ?? '', 'latin1');
    if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) {
      return { kind: 'failed', reason: `the password of user "${user}" is wrong` };
    }
    return { kind: 'done', token: Buffer.from(`rspauth=${digestMd5Response(exchange, 'server')}`), user };
  }

  /** What is wrong with the response before any password comes into it. */
  #fault(directives: ReadonlyMap<string, string>): string | null {
    const { service, realm } = this.#options;
    for (const name of ['username', 'nonce', 'nc', 'cnonce', 'digest-uri', 'response']) {
      if (!directives.has(name)) {
        return `${name} is missing`;
      }
    }
    if ((directives.get('charset') ?? 'utf-8') !== 'utf-8') {
      return 'the charset is not utf-8';
    }
    if (directives.get('realm') !== realm) {
      return `the realm is not ${realm}`;
    }
    if (directives.get('nonce') !== this.#nonce) {
      return 'the nonce is not that of the challenge';
    }
    if (!/^0*1$/.test(directives.get('nc') ?? '')) {
      return 'the nonce count is not 1';
    }
    if ((directives.get('qop') ?? 'auth') !== 'auth') {
      return 'only qop=auth is offered';
    }
    if (directives.get('digest-uri')?.toLowerCase() !== `${service}/${realm}`.toLowerCase()) {
      return `the digest-uri is not ${service}/${realm}`;
    }
    return null;
  }
}

/** What goes into the digests. `clientNonce`, `digestUri` and `authorizationId` are bytes, one per character. */
export interface DigestMd5Exchange {
  readonly user: string;
  readonly realm: string;
  readonly password: string;
  readonly nonce: string;
  readonly clientNonce: string;
  readonly digestUri: string;
  /** Null: the client acts for itself. */
  readonly authorizationId: string | null;
}

/** RFC 2831 §2.1.2.1: the client's `response`, or the server's `rspauth`, in hexadecimal digits. */
export function digestMd5Response(exchange: DigestMd5Exchange, from: 'client' | 'server'): string {
  const { user, realm, password, nonce, clientNonce, digestUri, authorizationId } = exchange;
  const secret = md5(Buffer.concat([hashed(user), COLON, hashed(realm), COLON, hashed(password)]));
  const suffix = authorizationId === null ? '' : `:${authorizationId}`;
  const session = md5(Buffer.concat([secret, Buffer.from(`:${nonce}:${clientNonce}${suffix}`, 'latin1')]));
  const request = md5(Buffer.from(`${from === 'client' ? 'AUTHENTICATE' : ''}:${digestUri}`, 'latin1'));
  const proof = `${session.toString('hex')}:${nonce}:${NONCE_COUNT}:${clientNonce}:auth:${request.toString('hex')}`;
  return md5(Buffer.from(proof, 'latin1')).toString('hex');
}

const COLON = Buffer.from(':');

/** Text that ISO 8859-1 can write is hashed in that, other text in UTF-8. */
function hashed(text: string): Buffer {
  const fitsLatin1 = !/[^\0-\xff]/.test(text);
  return Buffer.from(text, fitsLatin1 ? 'latin1' : 'utf8');
}

function md5(bytes: Buffer): Buffer {
  return createHash('md5').update(bytes).digest();
}

/** A name, and its value quoted or not; or nothing, for a list may have empty elements. Blanks may stand around all. */
const DIRECTIVE = /\s*(?:([^\s=,"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*)?(?:,|$)/sy;

/** By lower-case name; values are bytes, one per character. Null when the token is no list, or names one twice. */
export function parseDirectives(token: Uint8Array): Map<string, string> | null {
  const text = Buffer.from(token).toString('latin1');
  const directives = new Map<string, string>();
  for (let at = 0; at < text.length; at = DIRECTIVE.lastIndex) {
    DIRECTIVE.lastIndex = at;
    const found = DIRECTIVE.exec(text);
    if (found === null) {
      return null;
    }
    if (found[1] === undefined) {
      continue;
    }
    const name = found[1].toLowerCase();
    if (directives.has(name)) {
      return null;
    }
    directives.set(name, found[2]?.replace(/\\(.)/gs, '$1') ?? found[3]);
  }
  return directives;
}
