/**
 * Auth and sasl packets of connections: what they add to a connection, and what is answered (client-protocol.md §8.5,
 * §8.6).
 */
import {
  AuthPacket,
  ErrorNumber,
  GetSaslRequest,
  type Id,
  JuteError,
  type JuteReader,
  JuteWriter,
  OpCode,
  SetSaslResponse,
} from '@treekeeper/protocol';
import { checkAuthPacket, initialIdentities, mayRequest } from './authentication.ts';
import type { AuthRegistry } from './registry.ts';
import { encodedBytes, type Identity, type Peer, withIdentities } from './scheme.ts';

/** The answer to a packet. Without `answer`, the connection is closed in silence. */
export interface Verdict {
  readonly answer: boolean;
  readonly err: number;
  readonly body: Uint8Array | null;
  readonly close: boolean;
  /** Why it was refused, for the log: the client is not told. */
  readonly failure: string | null;
}

/** A connection as far as its credentials go. */
export interface Bearer {
  readonly connection: Peer;
  /** Replaced as a whole when one is added: requests on their way keep those they were read with. */
  identities: readonly Id[];
}

/** One connection's SASL exchange. */
export interface SaslConversation {
  /** Takes the client's token; identities come with the last one. */
  receive(token: Uint8Array | null): SaslStep;
}

export interface SaslStep {
  readonly err: number;
  readonly token: Uint8Array | null;
  readonly identities: readonly Id[];
  readonly close: boolean;
  readonly failure: string | null;
}

/** Longer names of schemes are cut in the log. */
const SHOWN_CHARACTERS_MAX = 40;

const ACCEPTED: Verdict = { answer: true, err: 0, body: null, close: false, failure: null };
const MALFORMED: Verdict = {
  answer: true,
  err: ErrorNumber.MARSHALLING_ERROR,
  body: null,
  close: false,
  failure: null,
};

/** An answer after which clients give up: with the same identities, they would only come back to hear it again. */
const TOO_MANY: Verdict = {
  answer: true,
  err: ErrorNumber.AUTH_FAILED,
  body: null,
  close: true,
  failure: 'its identities take too much room',
};

export class Credentials {
  readonly #registry: AuthRegistry;
  /** Null: SASL is not configured. */
  readonly #newConversation: ((peer: Peer) => SaslConversation) | null;
  readonly #conversations = new Map<Bearer, SaslConversation>();
  failures = 0;

  constructor(registry: AuthRegistry, newConversation: ((peer: Peer) => SaslConversation) | null) {
    this.#registry = registry;
    this.#newConversation = newConversation;
  }

  /** What a connection is from the start. A certificate whose subject is beyond the limit makes it nobody. */
  initialIdentities(peer: Peer): readonly Id[] {
    const identities = initialIdentities(this.#registry, peer);
    return this.#areTooMany(identities) ? initialIdentities(this.#registry, withoutCertificate(peer)) : identities;
  }

  mayRequest(identities: readonly Id[]): boolean {
    return mayRequest(this.#registry, identities);
  }

  /** Takes the body of an auth or sasl packet. */
  receive(bearer: Bearer, opcode: number, reader: JuteReader): Verdict {
    try {
      return opcode === OpCode.sasl ? this.#sasl(bearer, reader) : this.#auth(bearer, reader);
    } catch (error) {
      if (error instanceof JuteError) {
        return MALFORMED;
      }
      throw error;
    }
  }

  #auth(bearer: Bearer, reader: JuteReader): Verdict {
    const { scheme, auth } = AuthPacket.decode(reader);
    const result = checkAuthPacket(this.#registry, scheme, auth, bearer.connection);
    if (result === 'refused' || result === 'close') {
      this.failures++;
      const failure = `scheme ${JSON.stringify((scheme ?? '').slice(0, SHOWN_CHARACTERS_MAX))} refused it`;
      return { answer: result === 'refused', err: ErrorNumber.AUTH_FAILED, body: null, close: true, failure };
    }
    return this.#adds(bearer, result) ? ACCEPTED : TOO_MANY;
  }

  /** False: the connection has as many identities as it may have. */
  #adds(bearer: Bearer, added: readonly Identity[]): boolean {
    const identities = withIdentities(bearer.identities, added);
    if (identities !== bearer.identities && this.#areTooMany(identities)) {
      this.failures++;
      return false;
    }
    bearer.identities = identities;
    return true;
  }

  #areTooMany(identities: readonly Identity[]): boolean {
    return encodedBytes(identities) > this.#registry.options.identitiesBytesMax;
  }

  #sasl(bearer: Bearer, reader: JuteReader): Verdict {
    const { token } = GetSaslRequest.decode(reader);
    if (this.#newConversation === null) {
      return { ...ACCEPTED, body: saslBody(null) };
    }
    let conversation = this.#conversations.get(bearer);
    if (conversation === undefined) {
      conversation = this.#newConversation(bearer.connection);
      this.#conversations.set(bearer, conversation);
    }
    const step = conversation.receive(token);
    if (step.err !== 0) {
      this.failures++;
    }
    if (!this.#adds(bearer, step.identities)) {
      return { ...TOO_MANY, body: saslBody(null) };
    }
    return { answer: true, err: step.err, body: saslBody(step.token), close: step.close, failure: step.failure };
  }

  forget(bearer: Bearer): void {
    this.#conversations.delete(bearer);
  }
}

function withoutCertificate({ remoteAddress }: Peer): Peer {
  return { remoteAddress, certificateSubject: null };
}

/** A failed step carries a body, too, with no token in it. */
function saslBody(token: Uint8Array | null): Uint8Array {
  const writer = new JuteWriter(64);
  SetSaslResponse.encode(writer, { token });
  return writer.copy();
}
