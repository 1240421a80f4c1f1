import type { Codec } from './codec.ts';
import type { Transaction } from './transaction-types.ts';
import type {
  ACL,
  CallOptions,
  ChildrenWithStat,
  ClientInfo,
  CloseOptions,
  CreatedNode,
  CreateOptions,
  DeleteOptions,
  EnsembleConfig,
  GetOptions,
  NodeAcl,
  NodeValue,
  ReadRequest,
  ReadResult,
  ReconfigOptions,
  SessionState,
  SetOptions,
  Stat,
  StatesOptions,
  Watch,
  WatchableOptions,
  WatchKind,
  WatchOptions,
} from './types.ts';

type Bytes = Uint8Array | string | null;

/**
 * A session with a ZooKeeper service, made by `connect`. Calls are sent in the order in which they are made, without
 * waiting for each other, and answered in that order; a watch event comes before any answer that shows the change.
 * Values are encoded when the call is made. Every call rejects with TreekeeperError.
 *
 * @example
 * ```ts
 * await client.create('/greeting', 'hello');
 * const { value, stat } = await client.get('/greeting', { codec: utf8 });
 * console.assert(value === 'hello' && stat.version === 0);
 * ```
 */
export interface Client extends AsyncDisposable {
  /** What the session is doing now. */
  readonly state: SessionState;
  /** 0n before the first connection. */
  readonly sessionId: bigint;
  /** With the id, what is needed to resume the session elsewhere. */
  readonly sessionPassword: Uint8Array;
  /** As the server has decided it. */
  readonly sessionTimeoutMs: number;
  /** The latest change that this session can have seen. */
  readonly lastZxid: bigint;
  /** The path that this client calls `/`; '' for the real one. */
  readonly root: string;

  /**
   * The present state, then every change of it, until `closed`. With `settleMs` only what lasts so long.
   *
   * @example
   * ```ts
   * for await (const state of client.states()) {
   *   console.assert(state === 'connected');
   *   break;
   * }
   * ```
   */
  states(options?: StatesOptions): AsyncIterableIterator<SessionState>;

  /**
   * A node's value and Stat. Rejects with NO_NODE, NO_AUTH, INVALID_VALUE (the codec's refusal).
   *
   * @example
   * ```ts
   * await client.create('/limit', { perSecond: 5 }, { codec: json() });
   * const { value } = await client.get('/limit', { codec: json<{ perSecond: number }>() });
   * console.assert(value.perSecond === 5);
   * ```
   */
  get<T = Uint8Array>(path: string, options?: GetOptions<T>): Promise<NodeValue<T>>;

  /**
   * Replaces a node's value. Rejects with NO_NODE, BAD_VERSION, NO_AUTH, QUOTA_EXCEEDED.
   *
   * @example
   * ```ts
   * await client.create('/flag', 'off');
   * const { version } = await client.set('/flag', 'on', { version: 0 });
   * console.assert(version === 1);
   * ```
   */
  set(path: string, value: Bytes, options?: SetOptions): Promise<Stat>;
  set<T>(path: string, value: T, options: SetOptions & { readonly codec: Codec<unknown, T> }): Promise<Stat>;

  /**
   * Makes a node. Rejects with NODE_EXISTS, NO_NODE (no parent), NO_CHILDREN_FOR_EPHEMERALS, INVALID_ACL, NO_AUTH.
   *
   * @example
   * ```ts
   * const { path } = await client.create('/workers/w-', 'host:80', {
   *   mode: 'ephemeral-sequential',
   *   createParents: true,
   * });
   * console.assert(path === '/workers/w-0000000000');
   * ```
   */
  create(path: string, value?: Bytes, options?: CreateOptions): Promise<CreatedNode>;
  create<T>(
    path: string,
    value: T,
    options: CreateOptions & { readonly codec: Codec<unknown, T> },
  ): Promise<CreatedNode>;

  /**
   * A node's Stat, or null. A watch on a missing node tells of its creation.
   *
   * @example
   * ```ts
   * const stat: Stat | null = await client.exists('/nobody');
   * console.assert(stat === null);
   * ```
   */
  exists(path: string, options?: WatchableOptions): Promise<Stat | null>;

  /**
   * Removes a node without children. Rejects with NO_NODE, NOT_EMPTY, BAD_VERSION, NO_AUTH.
   *
   * @example
   * ```ts
   * await client.create('/short');
   * await client.delete('/short', { version: 0 });
   * ```
   */
  delete(path: string, options?: DeleteOptions): Promise<void>;

  /**
   * Removes a node and all below it, children first; not atomic. A node that is missing is fine. Fulfils with how many
   * nodes were removed. The root itself is kept.
   *
   * @example
   * ```ts
   * await client.create('/old/a/b', null, { createParents: true });
   * console.assert((await client.deleteRecursive('/old')) === 3);
   * ```
   */
  deleteRecursive(path: string, options?: CallOptions): Promise<number>;

  /**
   * Names of a node's children, in no particular order.
   *
   * @example
   * ```ts
   * await client.create('/family/anna', null, { createParents: true });
   * console.assert((await client.children('/family'))[0] === 'anna');
   * ```
   */
  children(path: string, options?: WatchableOptions): Promise<string[]>;

  /**
   * Names of a node's children, and its Stat.
   *
   * @example
   * ```ts
   * const { children, stat } = await client.childrenWithStat('/');
   * console.assert(children.length === stat.numChildren);
   * ```
   */
  childrenWithStat(path: string, options?: WatchableOptions): Promise<ChildrenWithStat>;

  /**
   * How many nodes there are below one, at all depths.
   *
   * @example
   * ```ts
   * await client.create('/a/b/c', null, { createParents: true });
   * console.assert((await client.childrenCountAll('/a')) === 2);
   * ```
   */
  childrenCountAll(path: string, options?: CallOptions): Promise<number>;

  /**
   * Brings the contacted server up to what the leader had committed: reads made after this call see it.
   *
   * @example
   * ```ts
   * await client.sync('/');
   * ```
   */
  sync(path?: string, options?: CallOptions): Promise<void>;

  /**
   * Who may do what with a node.
   *
   * @example
   * ```ts
   * const { acl } = await client.getAcl('/');
   * const everybody: readonly ACL[] = OPEN_ACL;
   * console.assert(acl[0]?.id.scheme === 'world' && acl[0].perms === everybody[0]?.perms);
   * ```
   */
  getAcl(path: string, options?: CallOptions): Promise<NodeAcl>;

  /**
   * Replaces a node's ACL; `version` is compared with Stat's aversion.
   *
   * @example
   * ```ts
   * await client.create('/public');
   * await client.setAcl('/public', READ_ACL);
   * ```
   */
  setAcl(path: string, acl: readonly ACL[], options?: CallOptions & { readonly version?: number }): Promise<Stat>;

  /**
   * Several changes, all or none: see Transaction.
   *
   * @example
   * ```ts
   * const [made, set] = await client.transaction().create('/pair').set('/pair', 'x', { version: 0 }).commit();
   * console.assert(made.path === '/pair' && set.stat.version === 1);
   * ```
   */
  transaction(): Transaction;

  /**
   * Several reads in one request; each has a result or an error of its own.
   *
   * @example
   * ```ts
   * const [root, missing] = await client.multiRead([{ children: '/' }, { get: '/missing' }]);
   * console.assert('children' in root && 'error' in missing);
   * ```
   */
  multiRead<const R extends readonly ReadRequest[]>(
    reads: R,
    options?: CallOptions,
  ): Promise<{ -readonly [K in keyof R]: ReadResult<R[K]> }>;

  /**
   * A persistent watch: see Watch.
   *
   * @example
   * ```ts
   * await using watch = client.watch('/jobs', { recursive: true });
   * await watch.ready;
   * await client.create('/jobs');
   * const { value: event } = await watch.next();
   * console.assert(event?.type === 'created' && event.path === '/jobs');
   * ```
   */
  watch(path: string, options?: WatchOptions): Watch;

  /**
   * Removes watches of this session from a path; their listeners are told `removed`. Rejects with NO_WATCHER.
   *
   * @example
   * ```ts
   * await client.exists('/', { watch: () => undefined });
   * await client.removeWatches('/', 'data');
   * ```
   */
  removeWatches(path: string, kind?: WatchKind, options?: CallOptions): Promise<void>;

  /**
   * Ephemeral nodes of this session below this client's root whose paths begin so.
   *
   * @example
   * ```ts
   * await client.create('/me', null, { mode: 'ephemeral' });
   * console.assert((await client.ephemerals('/'))[0] === '/me');
   * ```
   */
  ephemerals(prefix?: string, options?: CallOptions): Promise<string[]>;

  /**
   * Who the server takes this connection for.
   *
   * @example
   * ```ts
   * const [first]: ClientInfo[] = await client.whoAmI();
   * console.assert(first?.authScheme === 'ip');
   * ```
   */
  whoAmI(options?: CallOptions): Promise<ClientInfo[]>;

  /**
   * Adds an identity to this session, now and after every reconnect. Rejects with AUTH_FAILED, which ends the session.
   *
   * @example
   * ```ts
   * await client.addAuth('digest', 'ann:secret');
   * await client.create('/anns', null, { acl: CREATOR_ALL_ACL });
   * ```
   */
  addAuth(scheme: string, credentials: Uint8Array | string): Promise<void>;

  /**
   * The ensemble's configuration, wherever this client's root is.
   *
   * @example
   * ```ts
   * const { clientAddresses } = await client.getConfig();
   * console.assert(clientAddresses.length === 0); // a server by itself names none
   * ```
   */
  getConfig(options?: WatchableOptions): Promise<EnsembleConfig>;

  /**
   * Changes the ensemble's members. Rejects with RECONFIG_DISABLED, NEW_CONFIG_NO_QUORUM, BAD_VERSION and others.
   *
   * @example
   * ```ts
   * const joining = ['server.4=zoo4.example:2888:3888;2181'];
   * const grow = async (): Promise<bigint | null> => (await client.reconfig({ joining })).version;
   * console.assert(typeof grow === 'function');
   * ```
   */
  reconfig(options: ReconfigOptions): Promise<EnsembleConfig>;

  /**
   * Replaces the servers of this session, `host:port,host:port`: the ensemble has moved, or grown. The connection goes
   * on if its server is among them, unless it has to move so that clients are spread evenly over the new ones. It moves
   * within the session, when everything that was sent is answered; `state` is `disconnected` for a moment. Throws
   * INVALID_OPTION.
   *
   * @example
   * ```ts
   * const servers = connectString.split('/')[0] ?? '';
   * client.updateServers(servers);
   * console.assert(client.state === 'connected'); // its server is still among them
   * ```
   */
  updateServers(servers: string): void;

  /**
   * The same session with another root. Closing such a view leaves the session to its owner.
   *
   * @example
   * ```ts
   * await client.create('/tenants/blue', null, { createParents: true });
   * const blue = client.at('/tenants/blue');
   * await blue.create('/name', 'Blue Ltd');
   * console.assert((await client.exists('/tenants/blue/name')) !== null);
   * ```
   */
  at(path: string): Client;

  /**
   * Ends the session after what was called before, and its ephemeral nodes with it. Without a connection it just stops,
   * and the servers end the session by its timeout. Never rejects; may be called twice.
   *
   * @example
   * ```ts
   * const other = await connect(connectString);
   * await other.close();
   * console.assert(other.state === 'closed');
   * ```
   */
  close(options?: CloseOptions): Promise<void>;
}
