/** The schemes that a configuration makes available, and what it demands of connections. */
import type { AuthOptions } from './options.ts';
import type { Scheme } from './scheme.ts';
import { digestId, digestScheme } from './schemes/digest.ts';
import { type EnsembleTallies, ensembleScheme } from './schemes/ensemble.ts';
import { ipScheme } from './schemes/ip.ts';
import { saslScheme } from './schemes/sasl.ts';
import { x509Scheme } from './schemes/x509.ts';

/** The configuration cannot be followed; `key` is the setting to blame, as zoo.cfg spells it. */
export class AuthConfigError extends Error {
  override readonly name = 'AuthConfigError';
  readonly key: string;

  constructor(key: string, message: string) {
    super(message);
    this.key = key;
  }
}

/** Makes a scheme from the options, by the scheme's name. */
const makers = {
  ip: () => ipScheme(),
  digest: (options) => digestScheme(options.digestAlgorithm, options.superDigest),
  x509: (options) => x509Scheme(options.x509SuperUser),
  sasl: (options) => saslScheme(options.anySaslUserId),
  ensemble: (options, tallies) => ensembleScheme(options.ensembleNames, tallies),
} satisfies Record<string, (options: AuthOptions, tallies: EnsembleTallies) => Scheme>;
type SchemeName = keyof typeof makers;

/** How zoo.cfg names the providers: Apache's classes, of which the schemes' names are a part. */
const PROVIDER_CLASS = /^org\.apache\.zookeeper\.server\.auth\.(IP|Digest|X509|SASL|Ensemble)AuthenticationProvider$/;

function isSchemeName(name: string): name is SchemeName {
  return Object.hasOwn(makers, name);
}

export class AuthRegistry {
  readonly options: AuthOptions;
  /** A connection needs an identity of one of these before it may ask for anything (§8.7); null: no such demand. */
  readonly enforcedSchemes: readonly string[] | null;
  readonly #schemes = new Map<string, Scheme>();

  /** Throws AuthConfigError. `tallies` are for the metrics. */
  constructor(options: AuthOptions, tallies: EnsembleTallies = newTallies()) {
    this.options = options;
    checkDigestAlgorithm(options.digestAlgorithm);
    for (const name of availableSchemes(options)) {
      this.#schemes.set(name, makers[name](options, tallies));
    }
    if (options.tlsEnabled && options.sslAuthProvider !== 'x509') {
      throw new AuthConfigError(
        'ssl.authProvider',
        `there is no authentication provider '${options.sslAuthProvider}' for TLS connections, only x509`,
      );
    }
    this.enforcedSchemes = enforcedSchemes(options);
    for (const name of this.enforcedSchemes ?? []) {
      if (!this.#schemes.has(name)) {
        throw new AuthConfigError(
          options.requireSasl ? 'sessionRequireClientSASLAuth' : 'enforce.auth.schemes',
          `authentication scheme '${name}' is required of clients, but its provider is not configured (authProvider.*)`,
        );
      }
    }
  }

  /** The scheme of that name; undefined if it is not available, and for the pseudo schemes world, auth and super. */
  scheme(name: string): Scheme | undefined {
    return this.#schemes.get(name);
  }
}

function newTallies(): EnsembleTallies {
  return { success: { value: 0 }, fail: { value: 0 }, skip: { value: 0 } };
}

/** ip always; digest unless disabled; x509 with TLS; the others when they are configured. */
function availableSchemes(options: AuthOptions): Set<SchemeName> {
  const names = new Set<SchemeName>(['ip']);
  if (options.digestEnabled) {
    names.add('digest');
  }
  if (options.tlsEnabled) {
    names.add('x509');
  }
  if (options.ensembleNames !== null) {
    names.add('ensemble');
  }
  for (const [key, provider] of options.authProviders) {
    const name = PROVIDER_CLASS.exec(provider)?.[1].toLowerCase() ?? provider;
    if (!isSchemeName(name)) {
      throw new AuthConfigError(
        `authProvider.${key}`,
        `unknown authentication provider '${provider}'; there are ${Object.keys(makers).join(', ')}`,
      );
    }
    names.add(name);
  }
  return names;
}

function checkDigestAlgorithm(algorithm: string): void {
  try {
    digestId('', algorithm);
  } catch {
    throw new AuthConfigError('DigestAuthenticationProvider.digestAlg', `unknown digest algorithm '${algorithm}'`);
  }
}

function enforcedSchemes(options: AuthOptions): readonly string[] | null {
  if (options.requireSasl) {
    return ['sasl'];
  }
  if (!options.enforceAuth) {
    return null;
  }
  if (options.enforcedSchemes.length === 0) {
    throw new AuthConfigError(
      'enforce.auth.schemes',
      'enforce.auth.enabled is on, but enforce.auth.schemes names none',
    );
  }
  return options.enforcedSchemes;
}
