/** The client's side of DIGEST-MD5 (RFC 2831), as servers of an ensemble speak it (quorum-protocol.md §2.7). */
import { digestMd5Response, parseDirectives } from './sasl-digest-md5.ts';

export interface DigestMd5ClientOptions {
  readonly user: string;
  readonly password: string;
  /** First part of the digest-uri: `zookeeper-quorum`. */
  readonly service: string;
  /** Second part of the digest-uri: `zk-quorum-sasl-md5`. */
  readonly serverName: string;
  randomBytes(sizeBytes: number): Uint8Array;
}

export const QUORUM_SERVICE = 'zookeeper-quorum';
export const QUORUM_REALM = 'zk-quorum-sasl-md5';

export type DigestMd5ClientStep =
  | { readonly kind: 'response'; readonly token: Uint8Array }
  /** The server has proved that it knows the password too. */
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly reason: string };

const NONCE_BYTES = 30;

/** One exchange: an empty token first, the answer to the challenge, and a look at the server's proof. */
export class DigestMd5Client {
  readonly #options: DigestMd5ClientOptions;
  #state: 'new' | 'begun' | 'answered' | 'over' = 'new';
  #proof = '';

  constructor(options: DigestMd5ClientOptions) {
    this.#options = options;
  }

  /** Takes what the server has said; nothing at first. */
  step(token: Uint8Array): DigestMd5ClientStep {
    if (this.#state === 'new') {
      this.#state = 'begun';
      return { kind: 'response', token: new Uint8Array(0) };
    }
    const directives = parseDirectives(token);
    if (this.#state === 'begun' && directives !== null) {
      this.#state = 'answered';
      return this.#answer(directives);
    }
    const isProof = this.#state === 'answered' && directives?.get('rspauth') === this.#proof;
    this.#state = 'over';
    return isProof ? { kind: 'done' } : { kind: 'failed', reason: 'the server does not know our password' };
  }

  #answer(challenge: ReadonlyMap<string, string>): DigestMd5ClientStep {
    const { user, password, service, serverName, randomBytes } = this.#options;
    const nonce = challenge.get('nonce');
    const realm = challenge.get('realm') ?? serverName;
    if (nonce === undefined || challenge.get('algorithm') !== 'md5-sess') {
      this.#state = 'over';
      return { kind: 'failed', reason: 'what the server sent is no DIGEST-MD5 challenge' };
    }
    const clientNonce = Buffer.from(randomBytes(NONCE_BYTES)).toString('base64');
    const digestUri = `${service}/${serverName}`;
    // The name stands in the response as UTF-8 bytes, one per character.
    const name = Buffer.from(user, 'utf8').toString('latin1');
    const exchange = { user, realm, password, nonce, clientNonce, digestUri, authorizationId: name };
    this.#proof = digestMd5Response(exchange, 'server');
    const response = [
      'charset=utf-8',
      `username="${quoted(name)}"`,
      `realm="${quoted(realm)}"`,
      `nonce="${quoted(nonce)}"`,
      'nc=00000001',
      `cnonce="${clientNonce}"`,
      `digest-uri="${digestUri}"`,
      'maxbuf=65536',
      `response=${digestMd5Response(exchange, 'client')}`,
      'qop=auth',
      `authzid="${quoted(name)}"`,
    ];
    return { kind: 'response', token: Buffer.from(response.join(','), 'latin1') };
  }
}

function quoted(text: string): string {
  return text.replace(/["\\]/g, '\\$&');
}
