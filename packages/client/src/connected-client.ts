import { type AuthPacket, WatcherType } from '@treekeeper/protocol';
import type { CallHandlers, CallTerms } from './call.ts';
import type { Client } from './client.ts';
import { bytes, type Codec, encodeValue, invalidValue } from './codec.ts';
import { parseServerList } from './connect-string.ts';
import { ensembleConfig } from './ensemble-config.ts';
import { codeOfNumber, isTreekeeperError, TreekeeperError } from './errors.ts';
import { type MultiPart, type MultiPartResult, multiReadOperation } from './multi.ts';
import { newNode } from './new-node.ts';
import { type GetDataReply, operations } from './operations.ts';
import { PersistentWatch } from './persistent-watch.ts';
import { isWithin, join, toClient, toServer } from './rooted-path.ts';
import { authOperation } from './session/internal-requests.ts';
import type { WatchRegistration, WatchTableName } from './session/types.ts';
import type { SessionCore } from './session-core.ts';
import { deleteSubtree, withParents } from './subtree.ts';
import { TransactionBuilder } from './transaction.ts';
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
import * as writes from './writes.ts';

const CONFIG_PATH = '/zookeeper/config';
/** The ensemble keeps its own things there. */
const RESERVED: ReadonlySet<string> = new Set(['/zookeeper']);
const EMPTY = new Uint8Array(0);

const plainValue: CallHandlers<GetDataReply, NodeValue<Uint8Array>> = {
  finish: ({ data, stat }) => ({ value: data ?? EMPTY, stat }),
};
const statOrNull: CallHandlers<{ stat: Stat }, Stat | null> = {
  finish: ({ stat }) => stat,
  rescue: ({ code }) => (code === 'NO_NODE' ? { result: null } : undefined),
};
const names: CallHandlers<{ children: string[] }, string[]> = { finish: ({ children }) => children };

const removals: Readonly<Record<WatchKind, { type: number; tables: readonly WatchTableName[] }>> = {
  data: { type: WatcherType.data, tables: ['data', 'exist'] },
  children: { type: WatcherType.children, tables: ['child'] },
  persistent: { type: WatcherType.persistent, tables: ['persistent'] },
  recursive: { type: WatcherType.persistentRecursive, tables: ['recursive'] },
  any: { type: WatcherType.any, tables: ['data', 'exist', 'child', 'persistent', 'recursive'] },
};

/** A view of a session: the session's owner, or one made by `at`. */
export class ConnectedClient implements Client {
  readonly root: string;
  readonly #core: SessionCore;
  readonly #isOwner: boolean;

  constructor(core: SessionCore, root: string, isOwner: boolean) {
    this.#core = core;
    this.root = root;
    this.#isOwner = isOwner;
  }

  get state(): SessionState {
    return this.#core.driver.session.state;
  }

  get sessionId(): bigint {
    return this.#core.driver.session.sessionId;
  }

  get sessionPassword(): Uint8Array {
    return Uint8Array.from(this.#core.driver.session.password);
  }

  get sessionTimeoutMs(): number {
    return this.#core.driver.session.timeoutMs;
  }

  get lastZxid(): bigint {
    return this.#core.driver.session.lastZxid;
  }

  states(options?: StatesOptions): AsyncIterableIterator<SessionState> {
    return this.#core.driver.states.iterate(options?.settleMs ?? 0);
  }

  get<T = Uint8Array>(path: string, options?: GetOptions<T>): Promise<NodeValue<T>> {
    const codec = options?.codec as Codec<T, never> | undefined;
    const handlers = codec === undefined ? plainValue : decoding(codec, path);
    return this.#read('get', path, options, 'data', handlers as CallHandlers<never, NodeValue<T>>);
  }

  async set(path: string, value: unknown, options: SetOptions & WithCodec = {}): Promise<Stat> {
    const { driver } = this.#core;
    const target = { full: this.#full(path, 'set'), path };
    const data = encodeValue(options.codec ?? bytes, value, 'set', path);
    const { version = -1, idempotent = false, orCreate = false } = options;
    if (orCreate && version !== -1) {
      const message = 'a node that is to be made has no version to expect: leave out version or orCreate';
      throw new TreekeeperError('INVALID_OPTION', { operation: 'set', path, message });
    }
    const terms = this.#terms(options);
    const set = idempotent ? writes.setNodeIdempotently : writes.setNode;
    const attempt = (): Promise<Stat> => set(driver, target, data, version, terms);
    if (!orCreate) {
      return await attempt();
    }
    const create = this.#creation(path, data, { idempotent }, terms);
    return await writes.setOrCreate(attempt, () => withParents(driver, target.full, path, true, terms, create));
  }

  async create(path: string, value: unknown = EMPTY, options: CreateOptions & WithCodec = {}): Promise<CreatedNode> {
    const data = encodeValue(options.codec ?? bytes, value, 'create', path);
    const terms = this.#terms(options);
    const { createParents = false, protect = false } = options;
    const within = (create: () => Promise<CreatedNode>): Promise<CreatedNode> =>
      createParents === false
        ? create()
        : withParents(this.#core.driver, join(this.root, path), path, createParents, terms, create);
    const { path: full, stat } = await (protect
      ? this.#createProtected(path, data, options, terms, within)
      : within(this.#creation(path, data, options, terms)));
    return { path: toClient(this.root, full), stat };
  }

  #createProtected(
    path: string,
    data: Uint8Array | null,
    options: CreateOptions,
    terms: CallTerms,
    within: (create: () => Promise<CreatedNode>) => Promise<CreatedNode>,
  ): Promise<CreatedNode> {
    const { driver } = this.#core;
    const name = writes.protectedName(path);
    const node = newNode(this.root, name.path, data, options, driver.settings.acl);
    return writes.createNodeProtected(driver, node, path, name.prefix, terms, within);
  }

  #creation(
    path: string,
    data: Uint8Array | null,
    options: CreateOptions,
    terms: CallTerms,
  ): () => Promise<CreatedNode> {
    const { driver } = this.#core;
    const node = newNode(this.root, path, data, options, driver.settings.acl);
    if (options.idempotent !== true) {
      return () => writes.createNode(driver, node, path, terms);
    }
    if (node.isSequential) {
      const message = 'a sequential create has a new name each time: use protect instead of idempotent';
      throw new TreekeeperError('INVALID_OPTION', { operation: 'create', path, message });
    }
    return () => writes.createNodeIdempotently(driver, node, path, options.mode === 'ephemeral', terms);
  }

  exists(path: string, options?: WatchableOptions): Promise<Stat | null> {
    return this.#read('exists', path, options, 'exists', statOrNull);
  }

  async delete(path: string, options: DeleteOptions = {}): Promise<void> {
    // The root of a view cannot be removed through it: as the service's own root cannot.
    const full = path === '/' ? path : this.#full(path, 'delete');
    const remove = options.idempotent === true ? writes.deleteNodeIdempotently : writes.deleteNode;
    try {
      await remove(this.#core.driver, { full, path }, options.version ?? -1, this.#terms(options));
    } catch (error) {
      if (options.ifExists !== true || !isTreekeeperError(error, 'NO_NODE')) {
        throw error;
      }
    }
  }

  async deleteRecursive(path: string, options: CallOptions = {}): Promise<number> {
    const full = this.#full(path, 'deleteRecursive');
    return await deleteSubtree(this.#core.driver, full, path, path === '/', RESERVED, this.#terms(options));
  }

  children(path: string, options?: WatchableOptions): Promise<string[]> {
    return this.#read('children', path, options, 'child', names);
  }

  childrenWithStat(path: string, options?: WatchableOptions): Promise<ChildrenWithStat> {
    return this.#read('childrenWithStat', path, options, 'child', { finish: (reply: ChildrenWithStat) => reply });
  }

  async childrenCountAll(path: string, options?: CallOptions): Promise<number> {
    const body = { path: this.#full(path, 'childrenCountAll') };
    return await this.#call(
      'childrenCountAll',
      body,
      path,
      options,
      (reply: { totalNumber: number }) => reply.totalNumber,
    );
  }

  async sync(path = '/', options?: CallOptions): Promise<void> {
    await this.#call('sync', { path: this.#full(path, 'sync') }, path, options, () => null);
  }

  async getAcl(path: string, options?: CallOptions): Promise<NodeAcl> {
    return await this.#call('getAcl', { path: this.#full(path, 'getAcl') }, path, options, (reply: NodeAcl) => reply);
  }

  async setAcl(
    path: string,
    acl: readonly ACL[],
    options: CallOptions & { readonly version?: number } = {},
  ): Promise<Stat> {
    const body = { path: this.#full(path, 'setAcl'), acl, version: options.version ?? -1 };
    return await this.#call('setAcl', body, path, options, (reply: { stat: Stat }) => reply.stat);
  }

  transaction(): Transaction {
    return TransactionBuilder.begin(this.#core.driver, this.root);
  }

  async multiRead<const R extends readonly ReadRequest[]>(
    reads: R,
    options?: CallOptions,
  ): Promise<{ -readonly [K in keyof R]: ReadResult<R[K]> }> {
    const parts = reads.map((read): MultiPart => {
      const isGet = 'get' in read;
      const path = this.#full(isGet ? read.get : read.children, 'multiRead');
      return { operation: isGet ? operations.get : operations.children, body: { path, watch: false } };
    });
    const finish = (results: MultiPartResult[]): unknown => results.map((result, i) => readResult(reads[i], result));
    const { driver } = this.#core;
    const results = await driver.call(multiReadOperation, parts, 'multiRead', undefined, this.#terms(options), null, {
      finish,
    });
    return results as { -readonly [K in keyof R]: ReadResult<R[K]> };
  }

  watch(path: string, options: WatchOptions = {}): Watch {
    const { driver, interest } = this.#core;
    return new PersistentWatch(driver, interest, this.root, path, this.#full(path, 'watch'), options);
  }

  async removeWatches(path: string, kind: WatchKind = 'any', options?: CallOptions): Promise<void> {
    const full = this.#full(path, 'removeWatches');
    const { type, tables } = removals[kind];
    await this.#call('removeWatches', { path: full, type }, path, options, () => {
      this.#core.driver.session.removeWatches(tables, full);
    });
  }

  async ephemerals(prefix = '/', options?: CallOptions): Promise<string[]> {
    const body = { prefixPath: join(this.root, prefix) };
    return await this.#call('ephemerals', body, prefix, options, (reply: { ephemerals: string[] }) =>
      // The server takes the prefix as text: /app also begins the names of the neighbours /apple and /application.
      reply.ephemerals.filter((path) => isWithin(this.root, path)).map((path) => toClient(this.root, path)),
    );
  }

  async whoAmI(options?: CallOptions): Promise<ClientInfo[]> {
    return await this.#call(
      'whoAmI',
      {},
      undefined,
      options,
      (reply: { clientInfo: ClientInfo[] }) => reply.clientInfo,
    );
  }

  async addAuth(scheme: string, credentials: Uint8Array | string): Promise<void> {
    const { driver } = this.#core;
    const body = authBody(scheme, credentials);
    await driver.call(authOperation, body, 'addAuth', undefined, driver.terms(), null, { finish: () => null });
  }

  getConfig(options: WatchableOptions = {}): Promise<EnsembleConfig> {
    const registration = this.#registration('data', CONFIG_PATH, '', options);
    const body = { path: CONFIG_PATH, watch: registration !== null };
    return this.#core.driver.call(operations.get, body, 'getConfig', CONFIG_PATH, this.#terms(options), registration, {
      finish: ensembleConfig,
    });
  }

  async reconfig(options: ReconfigOptions): Promise<EnsembleConfig> {
    const { joining, leaving, members, fromVersion = -1n } = options;
    const body = {
      joiningServers: joining?.join(',') ?? null,
      leavingServers: leaving?.join(',') ?? null,
      newMembers: members?.join(',') ?? null,
      curConfigId: fromVersion,
    };
    return await this.#call('reconfig', body, undefined, options, ensembleConfig);
  }

  updateServers(servers: string): void {
    this.#core.driver.setHosts(parseServerList(servers));
  }

  at(path: string): Client {
    return new ConnectedClient(this.#core, path === '/' ? this.root : this.#full(path, 'at'), false);
  }

  async close({ keepSession = false }: CloseOptions = {}): Promise<void> {
    if (!this.#isOwner) {
      return;
    }
    const { driver } = this.#core;
    driver.close(keepSession);
    for await (const state of driver.states.iterate(0)) {
      if (state === 'closed') {
        break;
      }
      if (state === 'expired' || state === 'auth-failed') {
        driver.close(keepSession); // it ended by itself just now
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #full(path: string, operation: string): string {
    return toServer(this.root, path, operation);
  }

  #terms(options: CallOptions | undefined): CallTerms {
    return this.#core.driver.terms(options);
  }

  /** A read that can leave a watch. Not an async function: these are the calls that come by the hundred thousand. */
  #read<Reply, Result>(
    name: 'get' | 'exists' | 'children' | 'childrenWithStat',
    path: string,
    options: WatchableOptions | undefined,
    on: WatchRegistration['on'],
    handlers: CallHandlers<Reply, Result>,
  ): Promise<Result> {
    try {
      const full = this.#full(path, name);
      const watch = this.#registration(on, full, this.root, options);
      const body = { path: full, watch: watch !== null };
      return this.#core.driver.call(operations[name], body, name, path, this.#terms(options), watch, handlers);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @param root of which the listener is told paths */
  #registration(
    on: WatchRegistration['on'],
    path: string,
    root: string,
    options: WatchableOptions | undefined,
  ): WatchRegistration | null {
    const listener = options?.watch;
    return listener === undefined ? null : { on, path, watcher: this.#core.listeners.of(listener, root) };
  }

  #call<Reply, Result>(
    name: keyof typeof operations,
    body: unknown,
    path: string | undefined,
    options: CallOptions | undefined,
    finish: (reply: Reply) => Result,
  ): Promise<Result> {
    return this.#core.driver.call(operations[name], body, name, path, this.#terms(options), null, { finish });
  }
}

interface WithCodec {
  readonly codec?: Codec<unknown, never> | undefined;
}

/** A packet for a scheme, as addAuth and the options say it. */
export function authBody(scheme: string, credentials: Uint8Array | string): (typeof AuthPacket)['__in'] {
  const auth = typeof credentials === 'string' ? Buffer.from(credentials) : Uint8Array.from(credentials);
  return { type: 0, scheme, auth };
}

function decoding<T>(codec: Codec<T, never>, path: string): CallHandlers<GetDataReply, NodeValue<T>> {
  const failed = (cause: unknown): never => {
    throw invalidValue('get', path, cause);
  };
  return {
    finish({ data, stat }) {
      let value: T | Promise<T>;
      try {
        value = codec.decode(data);
      } catch (cause) {
        return failed(cause);
      }
      return value instanceof Promise ? value.then((later: T) => ({ value: later, stat }), failed) : { value, stat };
    },
  };
}

function readResult(read: ReadRequest | undefined, result: MultiPartResult): ReadResult {
  if (result.kind === 'data') {
    return { value: result.data ?? EMPTY, stat: result.stat };
  }
  if (result.kind === 'children') {
    return { children: result.children };
  }
  const path = read === undefined ? undefined : 'get' in read ? read.get : read.children;
  const code = result.kind === 'error' ? codeOfNumber(result.errorNumber) : 'SYSTEM_ERROR';
  return { error: new TreekeeperError(code, { operation: 'multiRead', path }) };
}
