/** SASL on a client connection (client-protocol.md §8.6): DIGEST-MD5, and what its outcome means to the connection. */
import { ErrorNumber, type Id } from '@treekeeper/protocol';
import type { SaslConversation, SaslStep } from './credentials.ts';
import { type NameRules, saslName } from './kerberos-names.ts';
import { DigestMd5Server, ZOOKEEPER_REALM, ZOOKEEPER_SERVICE } from './sasl-digest-md5.ts';
import { saslIdentities } from './schemes/sasl.ts';

export interface SaslServerOptions {
  /** Passwords of the users (see jaas.ts). */
  readonly users: ReadonlyMap<string, string>;
  /** `SASLAuthenticationProvider.superPassword`: wins as the password of user `super`; null: not set. */
  readonly superPassword: string | null;
  /** `superUser`, `superUser.N`: names that are super. */
  readonly superUsers: readonly string[];
  readonly names: NameRules;
  /** `fips-mode`: every token fails, because DIGEST-MD5 needs MD5. */
  readonly fipsMode: boolean;
  /** `allowSaslFailedClients`: they stay, unauthenticated. Without effect where SASL is enforced. */
  readonly allowFailedClients: boolean;
  /** Connections need a sasl identity (§8.7). */
  readonly enforced: boolean;
  randomBytes(sizeBytes: number): Uint8Array;
}

/** With the reason of a failure, for the log; the client is not told. */
export interface SaslAnswer extends SaslStep {
  readonly failure: string | null;
}

const NO_TOKEN = new Uint8Array(0);
const NO_IDENTITIES: readonly Id[] = [];

/** The exchange of one connection. */
export class SaslExchange implements SaslConversation {
  readonly #options: SaslServerOptions;
  readonly #mechanism: DigestMd5Server;

  constructor(options: SaslServerOptions) {
    this.#options = options;
    this.#mechanism = new DigestMd5Server({
      service: ZOOKEEPER_SERVICE,
      realm: ZOOKEEPER_REALM,
      passwordOf: (user) => passwordOf(options, user),
      randomBytes: (sizeBytes) => options.randomBytes(sizeBytes),
    });
  }

  receive(token: Uint8Array | null): SaslAnswer {
    if (this.#options.fipsMode) {
      return this.#failed('DIGEST-MD5 is off, because fips-mode is on (set fips-mode=false to allow it)');
    }
    const step = this.#mechanism.step(token ?? NO_TOKEN);
    if (step.kind === 'failed') {
      return this.#failed(step.reason);
    }
    if (step.kind === 'challenge') {
      return { err: 0, token: step.token, identities: NO_IDENTITIES, close: false, failure: null };
    }
    const name = saslName(step.user, this.#options.names);
    if (name === null) {
      return this.#failed(`"${step.user}" is not a name: it has an @ in it and is no principal`);
    }
    const identities = saslIdentities(name, this.#options.superUsers);
    return { err: 0, token: step.token, identities, close: false, failure: null };
  }

  #failed(failure: string): SaslAnswer {
    const { enforced, allowFailedClients } = this.#options;
    if (allowFailedClients && !enforced) {
      return { err: 0, token: null, identities: NO_IDENTITIES, close: false, failure };
    }
    const err = enforced ? ErrorNumber.SESSION_CLOSED_REQUIRE_AUTH : ErrorNumber.AUTH_FAILED;
    return { err, token: null, identities: NO_IDENTITIES, close: true, failure };
  }
}

function passwordOf({ users, superPassword }: SaslServerOptions, user: string): string | undefined {
  return user === 'super' && superPassword !== null ? superPassword : users.get(user);
}
