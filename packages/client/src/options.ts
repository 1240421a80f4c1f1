import type { ACL } from '@treekeeper/protocol';
import type { TlsSettings } from './tls.ts';
import type { Resolver, SrvResolver, Transport } from './transport.ts';
import type { RetryPolicy } from './types.ts';

/**
 * Who this client is, for schemes that take credentials as they are.
 *
 * @example
 * ```ts
 * const ann: AuthEntry = { scheme: 'digest', credentials: 'ann:secret' };
 * await using other = await connect(connectString, { auth: [ann] });
 * await other.create('/of-ann', null, { acl: CREATOR_ALL_ACL });
 * ```
 */
export interface AuthEntry {
  /** `digest`, or a scheme of the server's own. */
  readonly scheme: string;
  /** For digest: `user:password`. */
  readonly credentials: Uint8Array | string;
}

/**
 * SASL with a user and password that the server has in its JAAS file.
 *
 * @example
 * ```ts
 * const sasl: DigestMd5Options = { mechanism: 'DIGEST-MD5', username: 'ann', password: 'secret' };
 * const login = (): Promise<Client> => connect('zk1.example:2181', { sasl });
 * console.assert(typeof login === 'function');
 * ```
 */
export interface DigestMd5Options {
  readonly mechanism: 'DIGEST-MD5';
  readonly username: string;
  readonly password: string;
}

/**
 * SASL with Kerberos; needs the package `kerberos`, and a ticket (kinit or a keytab).
 *
 * @example
 * ```ts
 * const sasl: GssapiOptions = { mechanism: 'GSSAPI', hostname: 'zk1.example' }; // zookeeper/zk1.example
 * const login = (): Promise<Client> => connect('zk1.example:2181', { sasl });
 * console.assert(typeof login === 'function');
 * ```
 */
export interface GssapiOptions {
  readonly mechanism: 'GSSAPI';
  /** First part of the server's principal. @default 'zookeeper' */
  readonly service?: string | undefined;
  /** Its second part. @default the host as in the connect string */
  readonly hostname?: string | undefined;
}

/**
 * A session to go on with.
 *
 * @example
 * ```ts
 * const first = await connect(connectString);
 * await first.create('/mine', null, { mode: 'ephemeral' });
 * const session: SessionCredentials = { id: first.sessionId, password: first.sessionPassword };
 * await first.close({ keepSession: true });
 * await using second = await connect(connectString, { session });
 * console.assert((await second.ephemerals())[0] === '/mine');
 * ```
 */
export interface SessionCredentials {
  readonly id: bigint;
  readonly password: Uint8Array;
}

/**
 * How to connect. Misspelt options and impossible values are refused with INVALID_OPTION.
 *
 * @example
 * ```ts
 * const options: ConnectOptions = {
 *   sessionTimeoutMs: 10_000,
 *   requestTimeoutMs: 3_000,
 *   onExpired: 'new-session',
 *   auth: [{ scheme: 'digest', credentials: 'ann:secret' }],
 * };
 * await using other = await connect(connectString, options);
 * console.assert((await other.whoAmI()).some(({ user }) => user === 'ann'));
 * ```
 */
export interface ConnectOptions {
  /** How long the session outlives a lost connection; servers bound it (by default 4 s to 60 s). @default 30000 */
  readonly sessionTimeoutMs?: number | undefined;
  /** Deadline of `connect()`. @default 15000 */
  readonly connectTimeoutMs?: number | undefined;
  /**
   * Lets `connect()` reject with CONNECT_FAILED as soon as every server was tried and none can be reached: its name,
   * its port or its certificate is wrong, ours is not taken, or it does not run. Otherwise that is tried again until `connectTimeoutMs`,
   * as it is with servers that are there but have no quorum. @default false
   */
  readonly failFast?: boolean | undefined;
  /** Deadline of each call that does not name its own. @default 30000 */
  readonly requestTimeoutMs?: number | undefined;
  /** Ends the wait of `connect()`. */
  readonly signal?: AbortSignal | undefined;
  /** Takes a read-only server while there is no other; later moves on to a read-write one. @default false */
  readonly readOnly?: boolean | undefined;
  /** Goes on with this session. */
  readonly session?: SessionCredentials | undefined;
  /**
   * When the session is gone: `close`, or begin a new one. A new one keeps the watches (persistent ones tell of a gap),
   * but not the ephemeral nodes. @default 'close'
   */
  readonly onExpired?: 'close' | 'new-session' | undefined;
  /**
   * Takes the session for lost by the own clock when no server was heard for 4/3 of its timeout. Without it only a
   * server says so, and a session can live through a long absence of all servers. @default false
   */
  readonly expireByOwnClock?: boolean | undefined;
  /** Identities to begin with. */
  readonly auth?: readonly AuthEntry[] | undefined;
  readonly sasl?: DigestMd5Options | GssapiOptions | undefined;
  /** True: TLS with the system's authorities. A function is asked at each attempt to connect. */
  readonly tls?: boolean | TlsSettings | (() => TlsSettings | Promise<TlsSettings>) | undefined;
  /** Requests sent and not yet answered; others wait. @default 1000 */
  readonly inFlightMax?: number | undefined;
  /** Requests that wait; more are refused with QUEUE_FULL. @default 100000 */
  readonly queuedMax?: number | undefined;
  /**
   * A longer request is refused with REQUEST_TOO_LARGE: the servers' jute.maxbuffer. So is a watch on a path so long
   * that it could not be set again on another connection. @default 1048575
   */
  readonly requestBytesMax?: number | undefined;
  /** A longer reply costs the connection, and fails its call with REPLY_TOO_LARGE. @default 67108864 */
  readonly replyBytesMax?: number | undefined;
  /**
   * Of all nodes that are made without one of their own, missing parents too; a function is asked with the path from
   * the real root. @default OPEN_ACL: everybody may do everything
   */
  readonly acl?: readonly ACL[] | ((path: string) => readonly ACL[]) | undefined;
  /** Of all calls that do not name their own. */
  readonly retry?: RetryPolicy | false | undefined;
  /** @default 'shuffle' */
  readonly hostOrder?: 'shuffle' | 'given' | undefined;
  /**
   * Follows `/zookeeper/config`: when the ensemble has other members, the client knows. Members without a client port
   * in their `server.N` line stay unknown. @default false
   */
  readonly followConfig?: boolean | undefined;
  /** With `dns-srv://`: the name is asked again so often, and whenever a connection is lost. @default 60000 */
  readonly srvRefreshMs?: number | undefined;
  /** With `dns-srv://`: who answers. @default the system's name servers */
  readonly srvResolver?: SrvResolver | undefined;
  readonly transport?: Transport | undefined;
  readonly resolver?: Resolver | undefined;
}
