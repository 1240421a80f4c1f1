import { AddWatchMode, CreateMode, OpCode, WatcherType } from '@treekeeper/protocol';
import {
  type AclEntry,
  authBody,
  bufferBody,
  createBody,
  emptyBody,
  type MultiOp,
  multiBody,
  openAcl,
  pathBody,
  reconfigBody,
  setAclBody,
  setDataBody,
  setWatchesBody,
  versionBody,
  watchedBody,
  watchKindBody,
} from '../bodies.ts';
import type { Random } from '../random.ts';
import { superUser } from '../servers.ts';
import { decodeRequest, endangersApache, type Request } from './requests.ts';
import * as words from './vocabulary.ts';

type PathMode = 'standard' | 'persistent' | 'recursive';

const { create, create2, createContainer, createTTL } = OpCode;
const KNOWN_PATHS_MAX = 40;
const WATCHED_PATHS_MAX = 8;

/** Makes the next request out of the seed and of what earlier ones have created. */
export class Generator {
  readonly #random: Random;
  /** Paths that the servers have made up: sequential names. */
  readonly #known: string[] = [];
  /** Paths that each connection has watched lately. */
  readonly #watched = new Map<number, (string | null)[]>();
  readonly #zxidsAgo: (count: bigint) => { a: bigint; b: bigint };

  /** `zxidsAgo`: the transaction that lies so many back, as each server numbers it. */
  constructor(random: Random, zxidsAgo: (count: bigint) => { a: bigint; b: bigint }) {
    this.#random = random;
    this.#zxidsAgo = zxidsAgo;
  }

  /** A create was answered with this path. */
  learn(path: string): void {
    this.#known.push(path);
  }

  forgetAll(): void {
    this.#known.length = 0;
  }

  /** Any request for a connection; `connection` is its number, which decides the kind of watch each path may have. */
  request(connection: number): Request {
    const surplus = this.#known.length - KNOWN_PATHS_MAX;
    if (surplus > 0 && this.#random.chance(0.3)) {
      const [path] = this.#known.splice(this.#random.below(this.#known.length), 1);
      return { opcode: OpCode.delete, body: versionBody(path, -1) };
    }
    return this.#random.weighted<() => Request>([
      [30, () => this.#create()],
      [10, () => ({ opcode: OpCode.delete, body: versionBody(this.#anyPath(), words.version(this.#random)) })],
      [10, () => this.#setData()],
      [5, () => this.#setAcl()],
      [26, () => this.#read(connection)],
      [9, () => ({ opcode: OpCode.multi, body: this.#multi() })],
      [2, () => ({ opcode: OpCode.multiRead, body: this.#multiRead() })],
      [12, () => this.#watching(connection)],
      [5, () => this.#odd()],
      [4, () => this.#mangled(connection)],
    ])();
  }

  /** Requests that may follow each other without waiting for answers. */
  burst(connection: number): Request[] {
    const requests: Request[] = [];
    while (requests.length < 2 + this.#random.below(20)) {
      const request = this.request(connection);
      const { closes, opcode } = request;
      // Apache judges what follows a setACL by the old list or the new one, as it happens; and auth, which it handles
      // on receipt, may or may not show in the delivery of events of requests before it.
      const alone = opcode === OpCode.setACL || opcode === OpCode.auth || closes === true;
      if (!alone && !this.isExistsProbe(request) && !this.#touchesQuota(request) && !this.#isMangled(request)) {
        requests.push(request);
      }
    }
    return requests;
  }

  auth(): Request {
    const random = this.#random;
    const user = random.chance(0.25) ? superUser : random.pick(words.users);
    return { opcode: OpCode.auth, body: authBody('digest', Buffer.from(user)) };
  }

  badAuth(): Request {
    const [scheme, auth] = this.#random.pick<[string | null, Buffer | null]>([
      ['nosuch', Buffer.from('x')],
      ['world', Buffer.from('anyone')],
      ['sasl', Buffer.from('x')],
      ['super', Buffer.from('x')],
      ['', Buffer.from('x')],
      ['digest', null],
    ]);
    return { opcode: OpCode.auth, body: authBody(scheme, auth), closes: true };
  }

  /** exists with a watch on a node that may be unreadable: ask without the watch first (see differences.ts). */
  isExistsProbe(request: Request): boolean {
    if (request.opcode !== OpCode.exists || this.#isMangled(request)) {
      return false;
    }
    const { path, watch } = decodeRequest(OpCode.exists, request.body) as { path: string; watch: boolean };
    return watch && words.isSecret(path);
  }

  withoutWatch(request: Request): Request {
    return { ...request, body: Buffer.concat([request.body.subarray(0, -1), Buffer.from([0])]) };
  }

  #isMangled(request: Request): boolean {
    try {
      decodeRequest(request.opcode, request.body);
      return false;
    } catch {
      return request.opcode !== OpCode.multi && request.opcode !== OpCode.multiRead;
    }
  }

  #touchesQuota(request: Request): boolean {
    return [...words.quotaPrefixes, 'zookeeper'].some((prefix) => request.body.includes(prefix));
  }

  #anyPath(): string | null {
    const random = this.#random;
    return random.weighted<() => string | null>([
      [66, () => words.openPath(random)],
      [10, () => (this.#known.length === 0 ? words.openPath(random) : random.pick(this.#known))],
      [12, () => words.secretPath(random)],
      [6, () => random.pick(words.quotaPrefixes) + random.pick(['', '/a', '/b', '/a/b'])],
      [4, () => words.systemPath(random)],
      [4, () => random.pick(words.badPaths)],
    ])();
  }

  #create(): Request {
    const random = this.#random;
    if (random.chance(0.08)) {
      return this.#quotaNode();
    }
    const path = this.#anyPath();
    const acl = this.#acl(path);
    const bytes = words.data(random);
    return random.weighted<() => Request>([
      [12, () => ({ opcode: random.pick([create, create2]), body: createBody(path, bytes, acl, random.below(4)) })],
      [2, () => ({ opcode: createContainer, body: createBody(path, bytes, acl, CreateMode.container) })],
      [3, () => ({ opcode: createTTL, body: createBody(path, bytes, acl, random.pick([5, 6]), this.#ttl()) })],
      [1, () => this.#oddlyMade(path, bytes, acl)],
    ])();
  }

  /** Opcode and flags that do not go together. */
  #oddlyMade(path: string | null, bytes: Uint8Array | null, acl: readonly AclEntry[] | null): Request {
    const random = this.#random;
    const opcode = random.pick([create, create2, createContainer, createTTL]);
    const flags = random.pick([-1, 0, 1, 2, 3, 4, 5, 6, 7, 100]);
    const ttl = opcode === createTTL ? BigInt(random.between(0, 1)) : undefined;
    return { opcode, body: createBody(path, bytes, acl, flags, ttl) };
  }

  #ttl(): bigint {
    return this.#random.pick([
      1n,
      1000n,
      3600000n,
      1099511627775n,
      1099511627776n,
      0n,
      -1n,
      -(2n ** 63n),
      2n ** 63n - 1n,
    ]);
  }

  #acl(path: string | null): AclEntry[] | null {
    const random = this.#random;
    if (random.chance(0.05)) {
      return words.badAcl(random);
    }
    return words.isSecret(path) ? words.secretAcl(random) : words.openAcl(random);
  }

  #quotaNode(): Request {
    const random = this.#random;
    const prefix = `/zookeeper/quota${random.pick(words.quotaPrefixes)}`;
    const limits = [
      'count=3,bytes=40',
      'count=-1,bytes=-1=;byteHardLimit=30;countHardLimit=4',
      'count=2,bytes=-1=;countHardLimit=5',
      'count=,bytes=10',
      'nonsense',
      '',
      ';',
    ];
    return random.pick<() => Request>([
      () => ({ opcode: create, body: createBody('/zookeeper/quota/q2', null) }),
      () => ({ opcode: create, body: createBody(prefix, Buffer.from('')) }),
      () => ({ opcode: create, body: createBody(`${prefix}/zookeeper_limits`, Buffer.from(random.pick(limits))) }),
      () => quotaPair(prefix, (node) => ({ type: create, body: createBody(node, Buffer.from('count=5,bytes=50')) })),
      () => ({ opcode: OpCode.getData, body: watchedBody(`${prefix}/zookeeper_stats`, false) }),
      () => ({
        opcode: OpCode.setData,
        body: setDataBody(`${prefix}/zookeeper_limits`, Buffer.from(random.pick(limits))),
      }),
      () => quotaPair(prefix, (node) => ({ type: OpCode.delete, body: versionBody(node, -1) })),
      () => ({ opcode: create, body: createBody(random.pick(words.quotaPrefixes), Buffer.from('xy')) }),
      () => ({ opcode: create, body: createBody('/q2', null) }),
    ])();
  }

  #setData(): Request {
    const path = this.#anyPath();
    const random = this.#random;
    return { opcode: OpCode.setData, body: setDataBody(path, words.data(random), words.version(random)) };
  }

  #setAcl(): Request {
    const random = this.#random;
    const path = this.#anyPath();
    if (random.chance(0.03)) {
      // Valid since 3.9.4 only; the impossible version keeps the node as it is either way.
      const acl = [{ perms: 31, scheme: 'ip', id: random.pick(['::1', 'fe80::1/64', '2001:db8::7']) }];
      return { opcode: OpCode.setACL, body: setAclBody(path, acl, 987654) };
    }
    // The root and the system nodes stay open: with them shut nothing else would happen any more.
    const isSystem = path === '' || path === '/' || path?.startsWith('/zookeeper') === true;
    const acl = isSystem || random.chance(0.4) ? openAcl : this.#acl(path);
    const wanted = random.chance(0.5) ? -1 : words.version(random);
    return { opcode: OpCode.setACL, body: setAclBody(path, acl, wanted) };
  }

  #read(connection: number): Request {
    const random = this.#random;
    const path = this.#anyPath();
    const { exists, getData, getChildren, getChildren2, getACL, sync, getAllChildrenNumber, getEphemerals } = OpCode;
    const opcode = random.weighted([
      [6, exists],
      [8, getData],
      [3, getChildren],
      [5, getChildren2],
      [4, getACL],
      [2, sync],
      [2, getAllChildrenNumber],
      [2, getEphemerals],
      [1, OpCode.whoAmI],
      [1, OpCode.ping],
    ]);
    switch (opcode) {
      case exists:
      case getData:
      case getChildren:
      case getChildren2:
        return { opcode, body: watchedBody(path, this.#watches(connection, path)) };
      case OpCode.whoAmI:
      case OpCode.ping:
        return { opcode, body: emptyBody };
      default:
        return { opcode, body: pathBody(path) };
    }
  }

  #watches(connection: number, path: string | null): boolean {
    const watches = this.#mode(connection, path) === 'standard' && this.#random.chance(0.4);
    if (watches) {
      this.#noteWatch(connection, path);
    }
    return watches;
  }

  /** Apache 3.8 keeps one kind of watch per connection and path, 3.10 several: each pair gets one kind for good. */
  #mode(connection: number, path: string | null): PathMode {
    let hash = 2166136261 ^ connection;
    for (const character of path ?? 'null') {
      hash = Math.imul(hash ^ (character.codePointAt(0) as number), 16777619);
    }
    const modes: PathMode[] = ['standard', 'standard', 'standard', 'persistent', 'recursive'];
    return modes[((hash >>> 7) >>> 0) % modes.length];
  }

  #noteWatch(connection: number, path: string | null): void {
    const paths = this.#watched.get(connection) ?? [];
    paths.unshift(path);
    this.#watched.set(connection, paths.slice(0, WATCHED_PATHS_MAX));
  }

  #watching(connection: number): Request {
    const random = this.#random;
    const watched = this.#watched.get(connection) ?? [];
    const path = watched.length > 0 && random.chance(0.6) ? random.pick(watched) : this.#anyPath();
    const mode = this.#mode(connection, path);
    return random.weighted<() => Request>([
      [5, () => this.#addWatch(connection, path)],
      [4, () => this.#removeWatches(path, mode)],
      [3, () => ({ opcode: OpCode.checkWatches, body: watchKindBody(path, random.pick([1, 2, 3, 4, 5, 0, 6, -1])) })],
      [2, () => this.#setWatches(connection, OpCode.setWatches)],
      [2, () => this.#setWatches(connection, OpCode.setWatches2)],
    ])();
  }

  #addWatch(connection: number, wanted: string | null): Request {
    const random = this.#random;
    let path = wanted;
    while (path === null || this.#mode(connection, path) === 'standard') {
      path = this.#anyPath();
    }
    this.#noteWatch(connection, path);
    const { persistent, persistentRecursive } = AddWatchMode;
    const mode = this.#mode(connection, path) === 'persistent' ? persistent : persistentRecursive;
    return { opcode: OpCode.addWatch, body: watchKindBody(path, random.chance(0.03) ? random.pick([2, -1, 7]) : mode) };
  }

  #removeWatches(path: string | null, mode: PathMode): Request {
    const random = this.#random;
    const opcode = OpCode.removeWatches;
    if (mode === 'standard') {
      return { opcode, body: watchKindBody(path, random.pick([1, 2, 3, 3, 0, 9])) };
    }
    const own = mode === 'persistent' ? WatcherType.persistent : WatcherType.persistentRecursive;
    if (random.chance(0.5)) {
      // 3.8 knows no types 4 and 5, but type 3 says the same where the path has no other kind of watch.
      return { opcode, body: watchKindBody(path, WatcherType.any), bodyB: watchKindBody(path, own) };
    }
    const other = mode === 'persistent' ? WatcherType.persistentRecursive : WatcherType.persistent;
    return { opcode, body: watchKindBody(path, random.pick([WatcherType.any, WatcherType.any, other])) };
  }

  #setWatches(connection: number, opcode: number): Request {
    const random = this.#random;
    const lists: string[][] = [[], [], [], [], []];
    for (let i = random.between(0, 8); i > 0; i--) {
      const path = this.#anyPath();
      if (path === null) {
        continue;
      }
      const mode = this.#mode(connection, path);
      const list = mode === 'standard' ? random.below(3) : mode === 'persistent' ? 3 : 4;
      lists[list].push(path);
    }
    const zxid = this.#zxidsAgo(BigInt(random.pick([0, 1, 5, 50, 1000, -10])));
    const used = opcode === OpCode.setWatches ? lists.slice(0, 3) : lists;
    const holes: (string[] | null)[] = random.chance(0.03) ? [null, ...used.slice(1)] : used;
    return { opcode, body: setWatchesBody(zxid.a, holes), bodyB: setWatchesBody(zxid.b, holes) };
  }

  #multi(): Buffer {
    const random = this.#random;
    const ops: MultiOp[] = [];
    const count = random.weighted([
      [0.3, 0],
      [10, random.between(1, 4)],
      [1, random.between(5, 12)],
    ]);
    // Most multis stay among few paths, so that their operations meet.
    const paths = [words.openPath(random), words.openPath(random), words.openPath(random)];
    const path = (): string => (random.chance(0.1) ? (this.#anyPath() ?? '') : random.pick(paths));
    for (let i = 0; i < count; i++) {
      ops.push(this.#multiOp(path()));
    }
    return multiBody(ops, !random.chance(0.01));
  }

  #multiOp(path: string): MultiOp {
    const random = this.#random;
    const acl = this.#acl(path)?.filter(({ scheme, id }) => scheme !== null && id !== null) ?? openAcl;
    const bytes = words.data(random);
    return random.weighted<() => MultiOp>([
      [6, () => ({ type: random.pick([create, create2]), body: createBody(path, bytes, acl, random.below(4)) })],
      [1, () => ({ type: createContainer, body: createBody(path, bytes, acl, CreateMode.container) })],
      [1, () => ({ type: createTTL, body: createBody(path, bytes, acl, random.pick([5, 6]), this.#ttl()) })],
      [0.2, () => ({ type: create, body: createBody(path, bytes, acl, random.pick([4, 7, -1])) })],
      [4, () => ({ type: OpCode.delete, body: versionBody(path, words.version(random)) })],
      [5, () => ({ type: OpCode.setData, body: setDataBody(path, bytes, words.version(random)) })],
      [3, () => ({ type: OpCode.check, body: versionBody(path, words.version(random)) })],
      [
        0.2,
        () => ({ type: random.pick([OpCode.setACL, OpCode.exists, OpCode.getData, 99]), body: versionBody(path, 0) }),
      ],
    ])();
  }

  #multiRead(): Buffer {
    const random = this.#random;
    const ops: MultiOp[] = [];
    for (let i = random.between(0, 5); i > 0; i--) {
      const type = random.weighted([
        [6, OpCode.getData],
        [6, OpCode.getChildren],
        [0.3, random.pick([OpCode.exists, OpCode.delete, OpCode.getChildren2])],
      ]);
      ops.push({ type, body: watchedBody(this.#anyPath() ?? '', random.chance(0.2)) });
    }
    return multiBody(ops, !random.chance(0.02));
  }

  /** What ordinary clients seldom or never send. */
  #odd(): Request {
    const random = this.#random;
    return random.weighted<() => Request>([
      [10, () => this.auth()],
      [1, () => this.badAuth()],
      [2, () => ({ opcode: OpCode.sasl, body: bufferBody(random.bytes(random.below(9))) })],
      [2, () => ({ opcode: OpCode.reconfig, body: reconfigBody(null, null, random.pick([null, 'server.1=x']), -1n) })],
      [1, () => ({ opcode: random.pick([0, 10, 23, 99, 108, -3, -12, 2147483647]), body: emptyBody, closes: true })],
    ])();
  }

  /** A valid request with its body spoilt, or with more behind it than belongs there. */
  #mangled(connection: number): Request {
    const random = this.#random;
    for (;;) {
      const request = random.pick([
        () => this.#create(),
        () => this.#setAcl(),
        () => this.#read(connection),
        () => this.#watching(connection),
        () => this.#setData(),
      ])();
      // Two forms of one body cannot be spoilt alike; and of setWatches Apache does what comes before a null list.
      if (request.bodyB !== undefined || request.body.length === 0) {
        continue;
      }
      if (random.chance(0.2)) {
        const body = Buffer.concat([request.body, random.bytes(random.between(1, 9))]);
        if (!this.isExistsProbe(request)) {
          return { opcode: request.opcode, body };
        }
        continue;
      }
      const body = this.#spoil(request.body);
      const spoilt = { opcode: request.opcode, body };
      if (this.#isMangled(spoilt) && !endangersApache(request.opcode, body)) {
        return spoilt;
      }
    }
  }

  #spoil(body: Buffer): Buffer {
    const random = this.#random;
    const copy = Buffer.from(body);
    const at = random.below(copy.length);
    return random.pick([
      () => copy.subarray(0, at),
      () => random.bytes(random.below(30)),
      () => {
        copy.writeInt32BE(
          random.pick([-1, -2, -2147483648, 2147483647, 1000, 5_000_000]),
          Math.min(at, copy.length - 4) & ~3,
        );
        return copy;
      },
    ])();
  }
}

/** Limits and statistics come and go together: one without the other is where Apache's totals go stale. */
function quotaPair(prefix: string, op: (node: string) => MultiOp): Request {
  const nodes = [`${prefix}/zookeeper_limits`, `${prefix}/zookeeper_stats`];
  return { opcode: OpCode.multi, body: multiBody(nodes.map(op)) };
}
