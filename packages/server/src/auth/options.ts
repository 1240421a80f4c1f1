/** What the configuration says about authentication and access (client-protocol.md §8). Filled by config/. */

/** Settings of the SASL exchange itself. */
export interface SaslOptions {
  /** `sasl.serverconfig`: the section of the JAAS file. */
  readonly serverSection: string;
  /** `SASLAuthenticationProvider.superPassword`: the password of DIGEST-MD5 user super. */
  readonly superPassword: string | null;
  /** `allowSaslFailedClients`: keep connections whose exchange failed, unauthenticated. */
  readonly allowFailedClients: boolean;
  /** `kerberos.removeHostFromPrincipal` */
  readonly removeHostFromPrincipal: boolean;
  /** `kerberos.removeRealmFromPrincipal` */
  readonly removeRealmFromPrincipal: boolean;
  /** `security.auth_to_local`: rules that map principals to names. */
  readonly authToLocal: string;
  /** `requireKerberosConfig`: fail without a krb5.conf. */
  readonly requireKerberosConfig: boolean;
  /** `fips-mode`: no DIGEST-MD5. */
  readonly fipsMode: boolean;
}

export interface AuthOptions {
  /** `skipACL`: no access check at all. */
  readonly skipAcl: boolean;
  /** `enableEagerACLCheck`: refuse writes before they are ordered (§8.8). */
  readonly eagerAclCheck: boolean;
  /** `authProvider.<key>`: names of Apache's provider classes by key, or of our schemes. */
  readonly authProviders: ReadonlyMap<string, string>;

  /** `DigestAuthenticationProvider.enabled` */
  readonly digestEnabled: boolean;
  /** `DigestAuthenticationProvider.digestAlg`, as Java names algorithms: SHA1, SHA-256, SHA3-256. */
  readonly digestAlgorithm: string;
  /** `DigestAuthenticationProvider.superDigest`: the digest id that makes a connection super. */
  readonly superDigest: string | null;

  /** `IPAuthenticationProvider.usexforwardedfor`: the admin server believes X-Forwarded-For. */
  readonly useForwardedFor: boolean;

  /** Whether clients can come over TLS (`secureClientPort` or `client.portUnification`). */
  readonly tlsEnabled: boolean;
  /** `ssl.authProvider`: the scheme that checks client certificates. */
  readonly sslAuthProvider: string;
  /** `X509AuthenticationProvider.superUser`: the certificate subject that makes a connection super. */
  readonly x509SuperUser: string | null;

  /** `superUser`, `superUser.<n>`: SASL names that make a connection super. */
  readonly saslSuperUsers: readonly string[];
  /** `letAnySaslUserDoX`: an ACL id that every SASL user matches. */
  readonly anySaslUserId: string | null;
  readonly sasl: SaslOptions;

  /** `ensembleAuthName`: the names clients may call this ensemble by; null: any. */
  readonly ensembleNames: readonly string[] | null;

  /** `sessionRequireClientSASLAuth`: the same as enforcing scheme sasl alone. */
  readonly requireSasl: boolean;
  /** `enforce.auth.enabled` */
  readonly enforceAuth: boolean;
  /** `enforce.auth.schemes`: a connection needs an identity of one of them. */
  readonly enforcedSchemes: readonly string[];

  /**
   * What the identities of one connection may take. A follower sends them along with each request, and its leader gives
   * up a follower whose packets have more than jute.maxbuffer and extrasize allow: this is no more than that.
   */
  readonly identitiesBytesMax: number;
}

/** Room for hundreds of logins; little enough to be sent with each of a thousand requests. */
export const IDENTITIES_BYTES_MAX = 64 * 1024;

/** ZooKeeper's defaults. */
export const AUTH_DEFAULTS: AuthOptions = {
  skipAcl: false,
  eagerAclCheck: false,
  authProviders: new Map(),
  digestEnabled: true,
  digestAlgorithm: 'SHA1',
  superDigest: null,
  useForwardedFor: false,
  tlsEnabled: false,
  sslAuthProvider: 'x509',
  x509SuperUser: null,
  saslSuperUsers: [],
  anySaslUserId: null,
  sasl: {
    serverSection: 'Server',
    superPassword: null,
    allowFailedClients: false,
    removeHostFromPrincipal: false,
    removeRealmFromPrincipal: false,
    authToLocal: 'DEFAULT',
    requireKerberosConfig: false,
    fipsMode: true,
  },
  ensembleNames: null,
  requireSasl: false,
  enforceAuth: false,
  enforcedSchemes: [],
  identitiesBytesMax: IDENTITIES_BYTES_MAX,
};
