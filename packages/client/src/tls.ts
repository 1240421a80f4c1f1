/**
 * Whom to trust and who to be. Files are read anew at each attempt to connect, so that renewed certificates are used
 * from the next connection on. The server's certificate must be valid and carry the host's name.
 *
 * @example
 * ```ts
 * const tls: TlsSettings = { caFile: '/etc/ssl/ensemble-ca.pem', certFile: '/etc/ssl/me.pem', keyFile: '/etc/ssl/me.key' };
 * const secure = (): Promise<Client> => connect('zk1.example:2281,zk2.example:2281', { tls });
 * console.assert(typeof secure === 'function');
 * ```
 */
export interface TlsSettings {
  /** Authorities, PEM. @default those of Node.js */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  readonly caFile?: string | undefined;
  /** Revocation lists, PEM, one of each authority: a server whose certificate is on one is refused. */
  readonly crl?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  readonly crlFile?: string | undefined;
  /** The client's certificate with its chain, PEM: for servers that ask for one (mTLS). */
  readonly cert?: string | Uint8Array | undefined;
  readonly certFile?: string | undefined;
  readonly key?: string | Uint8Array | undefined;
  readonly keyFile?: string | undefined;
  /** PKCS #12, instead of certificate and key. */
  readonly pfx?: Uint8Array | undefined;
  readonly pfxFile?: string | undefined;
  /** Of the key or the PKCS #12 file. */
  readonly passphrase?: string | undefined;
  /** The name that the server's certificate must carry. @default the host as in the connect string */
  readonly servername?: string | undefined;
  /** False accepts certificates made out to other names (not other authorities). @default true */
  readonly checkHostname?: boolean | undefined;
  /** @default 'TLSv1.2' */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined;
}
