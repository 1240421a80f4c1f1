import type { ACL, ClientInfo, Stat } from '@treekeeper/protocol';
import type { Codec } from './codec.ts';
import type { TreekeeperError } from './errors.ts';

export type { ACL, ClientInfo, Stat };

/**
 * What the session is doing. `disconnected`: it lives on at the servers, and the client looks for one. After `expired`
 * and `auth-failed` nothing more comes but `closed`, unless `onExpired` is 'new-session': then `connecting` follows.
 *
 * @example
 * ```ts
 * const state: SessionState = client.state;
 * console.assert(state === 'connected');
 * ```
 */
export type SessionState =
  | 'connecting'
  | 'connected'
  | 'connected-read-only'
  | 'disconnected'
  | 'expired'
  | 'auth-failed'
  | 'closed';

/**
 * Options of `states`.
 *
 * @example
 * ```ts
 * const calm: StatesOptions = { settleMs: 500 };
 * for await (const state of client.states(calm)) {
 *   console.assert(state === 'connected');
 *   break;
 * }
 * ```
 */
export interface StatesOptions {
  /**
   * Tells a state only when it has lasted so long, so that a connection that flickers does not set off alarms: back in
   * the state that was told last, nothing has happened. `expired`, `auth-failed` and `closed` are told at once. Not for
   * who must not act without a session: they watch every state. @default 0
   */
  readonly settleMs?: number | undefined;
}

/**
 * How calls are repeated that failed through no fault of their own: reads, where it is safe. Writes are not, unless the
 * call itself is made repeatable by `idempotent` or `protect`, and then after a lost connection only: one that is refused
 * (QUEUE_FULL, THROTTLED_OP, SESSION_MOVED) and made again would come behind later ones, and overwrite them. Its error
 * says `safe`, so `when` may decide otherwise.
 *
 * @example
 * ```ts
 * const patient: RetryPolicy = { attemptsMax: 100, delayMinMs: 50, delayMaxMs: 5000 };
 * await client.exists('/', { retry: patient });
 * ```
 */
export interface RetryPolicy {
  /** The first attempt included. @default 10 */
  readonly attemptsMax?: number | undefined;
  /** Pauses double from this one... @default 20 */
  readonly delayMinMs?: number | undefined;
  /** ...to this one; a random half is taken off each. @default 1000 */
  readonly delayMaxMs?: number | undefined;
  /** Instead of: reads and reconfig, where it is safe, but not for NOT_READ_ONLY, which lasts. */
  readonly when?: ((error: TreekeeperError, attempt: number) => boolean) | undefined;
}

/**
 * Of every call.
 *
 * @example
 * ```ts
 * await client.exists('/', { timeoutMs: 2000, signal: AbortSignal.timeout(5000), retry: false });
 * ```
 */
export interface CallOptions {
  /** Ends the wait with ABORTED. A request that was sent already may still take effect. */
  readonly signal?: AbortSignal | undefined;
  /** Ends the wait with TIMEOUT, repetitions included; Infinity waits as long as the session lives. */
  readonly timeoutMs?: number | undefined;
  /** False: the first failure is the result, but a lost answer of an `idempotent` or `protect` call. */
  readonly retry?: RetryPolicy | false | undefined;
}

/**
 * What happened to a watched node. `gap`: the connection was away, or the reader too slow, and changes may have been
 * missed: read again. `removed`: by removeWatches. `lost`: the session has ended, nothing more will come.
 *
 * @example
 * ```ts
 * const seen: WatchEventType[] = [];
 * await client.exists('/soon', { watch: (event) => seen.push(event.type) });
 * await client.create('/soon');
 * console.assert(seen[0] === 'created');
 * ```
 */
export type WatchEventType = 'created' | 'deleted' | 'data-changed' | 'children-changed' | 'gap' | 'removed' | 'lost';

/**
 * What a watch tells.
 *
 * @example
 * ```ts
 * const events: WatchEvent[] = [];
 * await client.exists('/soon', { watch: (event) => events.push(event) });
 * const { stat } = await client.create('/soon');
 * console.assert(events[0]?.path === '/soon' && events[0].zxid === stat.czxid);
 * ```
 */
export interface WatchEvent {
  readonly type: WatchEventType;
  /** Of the node that changed; of the watched one for the last three types. */
  readonly path: string;
  /** Of the change; null where the server does not say: before 3.9, and for changes found out after a reconnect. */
  readonly zxid: bigint | null;
}

/**
 * Called once, with the first change; what it throws becomes an uncaught exception.
 *
 * @example
 * ```ts
 * let isStale = false;
 * const listener: WatchListener = ({ type }) => {
 *   isStale = type !== 'removed';
 * };
 * await client.children('/', { watch: listener });
 * await client.create('/new');
 * console.assert(isStale);
 * ```
 */
export type WatchListener = (event: WatchEvent) => void;

/**
 * Options of calls that can leave a one-shot watch. The same listener on the same path is one watch, through whichever
 * client with the same root it is set.
 *
 * @example
 * ```ts
 * const events: string[] = [];
 * const options: WatchableOptions = { watch: ({ type }) => events.push(type), timeoutMs: 5000 };
 * await client.exists('/soon', options);
 * await client.create('/soon');
 * console.assert(events.join() === 'created');
 * ```
 */
export interface WatchableOptions extends CallOptions {
  readonly watch?: WatchListener | undefined;
}

/**
 * Options of `get`.
 *
 * @example
 * ```ts
 * const asText: GetOptions<string> = { codec: utf8, timeoutMs: 5000 };
 * await client.create('/motto', 'festina lente');
 * console.assert((await client.get('/motto', asText)).value === 'festina lente');
 * ```
 */
export interface GetOptions<T> extends WatchableOptions {
  /** @default bytes */
  readonly codec?: Codec<T, never> | undefined;
}

/**
 * A node's value, and its Stat (versions, zxids, times).
 *
 * @example
 * ```ts
 * await client.create('/n', 'x');
 * const node: NodeValue<string> = await client.get('/n', { codec: utf8 });
 * console.assert(node.value === 'x' && node.stat.dataLength === 1);
 * ```
 */
export interface NodeValue<T> {
  readonly value: T;
  readonly stat: Stat;
}

/**
 * Options of `set`.
 *
 * @example
 * ```ts
 * await client.create('/n');
 * const once: SetOptions = { version: 0, idempotent: true };
 * console.assert((await client.set('/n', 'x', once)).version === 1);
 * ```
 */
export interface SetOptions extends CallOptions {
  /** Only if the node has this version; -1 for any. @default -1 */
  readonly version?: number | undefined;
  /**
   * Repeats the call after a lost connection: without a version freely; with one, a node of the next version with the
   * very data is taken for the success of the first attempt.
   */
  readonly idempotent?: boolean | undefined;
  /** Makes the node, and its missing parents, if it is not there; not together with a version. */
  readonly orCreate?: boolean | undefined;
}

/**
 * Options of `delete`.
 *
 * @example
 * ```ts
 * await client.create('/n');
 * const surely: DeleteOptions = { idempotent: true };
 * await client.delete('/n', surely);
 * ```
 */
export interface DeleteOptions extends CallOptions {
  /** Only if the node has this version; -1 for any. @default -1 */
  readonly version?: number | undefined;
  /** Repeats the call after a lost connection; a node that is gone then is a success. */
  readonly idempotent?: boolean | undefined;
  /** A node that is not there is a success. */
  readonly ifExists?: boolean | undefined;
}

/**
 * What kind of node `create` makes. Sequential: the server appends ten digits. Container: removed by the server some
 * time after its last child. TTL: removed when it has no children and was not set for `ttlMs`.
 *
 * @example
 * ```ts
 * const mode: CreateModeName = 'persistent-sequential';
 * const { path } = await client.create('/job-', 'first', { mode });
 * console.assert(path === '/job-0000000000');
 * ```
 */
export type CreateModeName =
  | 'persistent'
  | 'ephemeral'
  | 'persistent-sequential'
  | 'ephemeral-sequential'
  | 'container'
  | 'persistent-ttl'
  | 'persistent-sequential-ttl';

/**
 * What a created node is.
 *
 * @example
 * ```ts
 * const guarded: NewNodeOptions = { mode: 'ephemeral', acl: READ_ACL };
 * const [made] = await client.transaction().create('/me', 'host:80', guarded).commit();
 * console.assert(made.path === '/me');
 * ```
 */
export interface NewNodeOptions {
  /** @default 'persistent' */
  readonly mode?: CreateModeName | undefined;
  /** Of the two TTL modes: 1 to 2^40 - 1. */
  readonly ttlMs?: number | undefined;
  /** @default OPEN_ACL: everybody may do everything */
  readonly acl?: readonly ACL[] | undefined;
}

/**
 * Options of `create`.
 *
 * @example
 * ```ts
 * const options: CreateOptions = { mode: 'ephemeral-sequential', protect: true, createParents: 'container' };
 * const { path } = await client.create('/queue/item-', null, options);
 * console.assert(/^\/queue\/_c_.*-item-0000000000$/.test(path));
 * ```
 */
export interface CreateOptions extends NewNodeOptions, CallOptions {
  /** Makes missing parents: persistent ones, or containers. */
  readonly createParents?: boolean | 'container' | undefined;
  /**
   * Puts a unique prefix (`_c_<uuid>-`) before the name, by which the node is found again when the connection was lost
   * before the answer: exactly one is created.
   */
  readonly protect?: boolean | undefined;
  /** Repeats the call after a lost connection; a node with the very data and owner is taken for the first one's. */
  readonly idempotent?: boolean | undefined;
}

/**
 * A new node: its path (with the sequence number), and its Stat.
 *
 * @example
 * ```ts
 * const made: CreatedNode = await client.create('/job-', null, { mode: 'persistent-sequential' });
 * console.assert(made.path === '/job-0000000000' && made.stat.version === 0);
 * ```
 */
export interface CreatedNode {
  readonly path: string;
  readonly stat: Stat;
}

/**
 * Children's names (not paths), in no particular order.
 *
 * @example
 * ```ts
 * await client.create('/a');
 * const list: ChildrenWithStat = await client.childrenWithStat('/');
 * console.assert(list.children[0] === 'a' && list.stat.numChildren === 1);
 * ```
 */
export interface ChildrenWithStat {
  readonly children: string[];
  readonly stat: Stat;
}

/**
 * A node's ACL, and its Stat; digests are masked unless the caller may administrate the node.
 *
 * @example
 * ```ts
 * const { acl, stat }: NodeAcl = await client.getAcl('/');
 * console.assert(acl.length === 1 && stat.aversion === 0);
 * ```
 */
export interface NodeAcl {
  readonly acl: ACL[];
  readonly stat: Stat;
}

/**
 * One read of multiRead.
 *
 * @example
 * ```ts
 * await client.create('/a', 'x');
 * const reads: ReadRequest[] = [{ get: '/a' }, { children: '/' }];
 * console.assert((await client.multiRead(reads)).length === 2);
 * ```
 */
export type ReadRequest = { readonly get: string } | { readonly children: string };

/**
 * Each read stands alone: it has its result, or its error.
 *
 * @example
 * ```ts
 * const results: ReadResult[] = await client.multiRead([{ get: '/missing' }, { children: '/' }]);
 * console.assert(results.filter((result) => 'error' in result).length === 1);
 * ```
 */
export type ReadResult<R extends ReadRequest = ReadRequest> =
  | (R extends { readonly get: string } ? NodeValue<Uint8Array> : { readonly children: string[] })
  | { readonly error: TreekeeperError };

/**
 * What removeWatches takes away, of the watches set through this session on exactly that path.
 *
 * @example
 * ```ts
 * const kind: WatchKind = 'data';
 * await client.exists('/a', { watch: () => undefined });
 * await client.removeWatches('/a', kind);
 * ```
 */
export type WatchKind = 'data' | 'children' | 'persistent' | 'recursive' | 'any';

/**
 * The ensemble's configuration: `server.N=...` lines.
 *
 * @example
 * ```ts
 * const { text, version }: EnsembleConfig = await client.getConfig();
 * console.assert(version !== null || !text.includes('server.')); // a server by itself has no members
 * ```
 */
export interface EnsembleConfig {
  readonly text: string;
  /** The number behind `version=`, to be given to reconfig as `fromVersion`; null where there is none. */
  readonly version: bigint | null;
  /** `host:port` of each member that says where its clients find it. */
  readonly clientAddresses: readonly string[];
  /** The same, of the ports with TLS. */
  readonly secureClientAddresses: readonly string[];
  readonly stat: Stat;
}

/**
 * Either `members`, the whole new ensemble, or who joins and who leaves.
 *
 * @example
 * ```ts
 * const leave: ReconfigOptions = { leaving: [3], fromVersion: 0x100000000n };
 * const error = await client.reconfig(leave).catch((reason: unknown) => reason);
 * console.assert(isTreekeeperError(error)); // this is a server by itself
 * ```
 */
export interface ReconfigOptions extends CallOptions {
  /** `server.N=host:quorum:election[:role];[host:]clientPort` each. */
  readonly joining?: readonly string[] | undefined;
  /** Their numbers. */
  readonly leaving?: readonly number[] | undefined;
  /** As `joining`: all members there shall be. */
  readonly members?: readonly string[] | undefined;
  /** Only if the configuration has this version. */
  readonly fromVersion?: bigint | undefined;
}

/**
 * Options of `watch`.
 *
 * @example
 * ```ts
 * const options: WatchOptions = { recursive: true };
 * await using watch = client.watch('/services', options);
 * await watch.ready;
 * ```
 */
export interface WatchOptions extends CallOptions {
  /** The whole subtree; such a watch tells of nodes, never `children-changed`. @default false */
  readonly recursive?: boolean | undefined;
}

/**
 * A persistent watch: an async iterable of events in their order, kept up over reconnects. Leaving the loop, `close()`
 * or the end of `await using` removes it. It ends with the client, and throws SESSION_EXPIRED with the session.
 *
 * @example
 * ```ts
 * await using watch = client.watch('/services', { recursive: true });
 * await watch.ready; // from here on nothing is missed
 * await client.create('/services');
 * for await (const event of watch) {
 *   console.assert(event.type === 'created' && event.path === '/services');
 *   break;
 * }
 * ```
 */
export interface Watch extends AsyncIterableIterator<WatchEvent>, AsyncDisposable {
  readonly path: string;
  readonly recursive: boolean;
  /** Fulfilled when the server has the watch: with the zxid behind which every change is told. Rejects as calls do. */
  readonly ready: Promise<{ readonly zxid: bigint }>;
  next(): Promise<IteratorResult<WatchEvent, undefined>>;
  return(): Promise<IteratorResult<WatchEvent, undefined>>;
  close(): Promise<void>;
}

/**
 * Options of `close`.
 *
 * @example
 * ```ts
 * const first = await connect(connectString);
 * const leaveAlive: CloseOptions = { keepSession: true };
 * await first.close(leaveAlive);
 * ```
 */
export interface CloseOptions {
  /** Leaves the session alive at the server, to be resumed with `session` before its timeout. @default false */
  readonly keepSession?: boolean | undefined;
}
