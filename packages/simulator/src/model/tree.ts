/**
 * The tree in its obvious form: a map of paths to nodes that are never changed, only replaced. The server's compact
 * tree must agree with it, node by node and bit by bit.
 */
import { crc32 } from 'node:zlib';
import { type ACL, type EncodableStat, OPEN_ACL, type OwnerKind, ownerKind, READ_ACL } from '@treekeeper/protocol';

export interface ModelNode {
  readonly data: Uint8Array | null;
  readonly acl: readonly ACL[];
  readonly owner: bigint;
  readonly czxid: number;
  readonly mzxid: number;
  readonly pzxid: number;
  readonly ctimeMs: number;
  readonly mtimeMs: number;
  readonly version: number;
  /** Creations below the node. */
  readonly cversion: number;
  readonly aversion: number;
  /** Names, oldest first. */
  readonly children: readonly string[];
}

/** What happened to the tree, as watches hear of it. */
export interface ModelChange {
  readonly kind: 'created' | 'deleted' | 'dataChanged';
  readonly path: string;
  readonly acl: readonly ACL[];
  readonly parentAcl: readonly ACL[];
}

const NEW_NODE = {
  owner: 0n,
  czxid: 0,
  mzxid: 0,
  pzxid: 0,
  ctimeMs: 0,
  mtimeMs: 0,
  version: 0,
  cversion: 0,
  aversion: 0,
  children: [],
};
const NO_BYTES = new Uint8Array(0);

/** "/" for top-level nodes. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Paths of the model are those of clients; the root is "/". */
export class ModelTree {
  readonly nodes: Map<string, ModelNode>;
  #digest: bigint;

  constructor(original?: ModelTree) {
    if (original !== undefined) {
      this.nodes = new Map(original.nodes);
      this.#digest = original.#digest;
      return;
    }
    const acl = OPEN_ACL;
    this.nodes = new Map<string, ModelNode>([
      ['/', { ...NEW_NODE, data: NO_BYTES, acl, children: ['zookeeper'] }],
      ['/zookeeper', { ...NEW_NODE, data: NO_BYTES, acl, children: ['quota', 'config'] }],
      ['/zookeeper/quota', { ...NEW_NODE, data: NO_BYTES, acl }],
      ['/zookeeper/config', { ...NEW_NODE, data: NO_BYTES, acl: READ_ACL, aversion: -1 }],
    ]);
    this.#digest = 0n;
    for (const [path, node] of this.nodes) {
      this.#digest += shareOf(path, node);
    }
  }

  /** The sum of all nodes' CRCs, modulo 2^64 (disk-format.md §4). */
  get digest(): bigint {
    return BigInt.asIntN(64, this.#digest);
  }

  get hasQuotas(): boolean {
    return (this.nodes.get('/zookeeper/quota')?.children.length ?? 0) > 0;
  }

  kind(node: ModelNode): OwnerKind {
    return ownerKind(node.owner, { extendedTypesEnabled: true, emulate353TtlNodes: false });
  }

  /** What a client sees of a node (client-protocol.md §5.4). */
  stat(path: string): EncodableStat {
    const node = this.#node(path);
    return {
      czxid: node.czxid,
      mzxid: node.mzxid,
      ctime: node.ctimeMs,
      mtime: node.mtimeMs,
      version: node.version,
      cversion: 2 * node.cversion - node.children.length,
      aversion: node.aversion,
      ephemeralOwner: this.kind(node) === 'ephemeral' ? node.owner : 0n,
      dataLength: node.data?.length ?? 0,
      numChildren: node.children.length,
      pzxid: node.pzxid,
    };
  }

  ephemeralsOf(sessionId: bigint): string[] {
    return [...this.nodes].filter(([, node]) => node.owner === sessionId && sessionId !== 0n).map(([path]) => path);
  }

  countDescendants(path: string): number {
    const prefix = path === '/' ? '/' : `${path}/`;
    return [...this.nodes.keys()].filter((other) => other !== '/' && other.startsWith(prefix)).length;
  }

  create(
    path: string,
    data: Uint8Array | null,
    acl: readonly ACL[],
    owner: bigint,
    parentCversion: number,
    zxid: number,
    timeMs: number,
  ): ModelChange {
    const parentPath = parentOf(path);
    const parent = this.#node(parentPath);
    const times = { czxid: zxid, mzxid: zxid, pzxid: zxid, ctimeMs: timeMs, mtimeMs: timeMs };
    this.#replace(path, { ...NEW_NODE, ...times, data, acl, owner });
    const children = [...parent.children, nameOf(path)];
    this.#replace(parentPath, { ...parent, cversion: parentCversion, pzxid: zxid, children });
    return { kind: 'created', path, acl, parentAcl: parent.acl };
  }

  remove(path: string, zxid: number): ModelChange {
    const { acl } = this.#node(path);
    const parentPath = parentOf(path);
    const parent = this.#node(parentPath);
    const name = nameOf(path);
    this.#replace(path, undefined);
    this.#replace(parentPath, { ...parent, pzxid: zxid, children: parent.children.filter((child) => child !== name) });
    return { kind: 'deleted', path, acl, parentAcl: parent.acl };
  }

  setData(path: string, data: Uint8Array | null, version: number, zxid: number, timeMs: number): ModelChange {
    const node = this.#node(path);
    this.#replace(path, { ...node, data, version, mzxid: zxid, mtimeMs: timeMs });
    return { kind: 'dataChanged', path, acl: node.acl, parentAcl: this.#node(parentOf(path)).acl };
  }

  /** Other data and nothing else, as the server's statistics of quotas are written. */
  rewrite(path: string, data: Uint8Array): void {
    this.#replace(path, { ...this.#node(path), data });
  }

  setAcl(path: string, acl: readonly ACL[], aversion: number): void {
    this.#replace(path, { ...this.#node(path), acl, aversion });
  }

  #node(path: string): ModelNode {
    const node = this.nodes.get(path);
    if (node === undefined) {
      throw new Error(`the model has no ${path}`);
    }
    return node;
  }

  #replace(path: string, node: ModelNode | undefined): void {
    const before = this.nodes.get(path);
    this.#digest +=
      (node === undefined ? 0n : shareOf(path, node)) - (before === undefined ? 0n : shareOf(path, before));
    if (node === undefined) {
      this.nodes.delete(path);
    } else {
      this.nodes.set(path, node);
    }
  }
}

const STAT_BYTES = Buffer.alloc(60);
const STAT = new DataView(STAT_BYTES.buffer, STAT_BYTES.byteOffset, STAT_BYTES.length);
/** By node, which is never changed and belongs to one path: each is looked at when it comes and when it goes. */
const shares = new WeakMap<ModelNode, bigint>();
/** Of large data, by identity: nodes are replaced often, their data seldom. */
const contentCrcs = new WeakMap<Uint8Array, number>();
const LARGE_BYTES = 512;

/** The node's part of the digest: nothing below /zookeeper has one. */
function shareOf(path: string, node: ModelNode): bigint {
  if (path.startsWith('/zookeeper/')) {
    return 0n;
  }
  const known = shares.get(node);
  if (known !== undefined) {
    return known;
  }
  putLong(0, node.czxid);
  putLong(8, node.mzxid);
  putLong(16, node.pzxid);
  putLong(24, node.ctimeMs);
  putLong(32, node.mtimeMs);
  STAT.setInt32(40, node.version);
  STAT.setInt32(44, node.cversion);
  STAT.setInt32(48, node.aversion);
  STAT.setBigInt64(52, node.owner);
  const share = BigInt(crc32(STAT_BYTES, contentCrc(path, node.data)));
  shares.set(node, share);
  return share;
}

const TWO_32 = 2 ** 32;

function putLong(at: number, value: number): void {
  STAT.setInt32(at, Math.floor(value / TWO_32));
  STAT.setUint32(at + 4, value);
}

function contentCrc(path: string, data: Uint8Array | null): number {
  const known = data === null || data.length < LARGE_BYTES ? undefined : contentCrcs.get(data);
  if (known !== undefined) {
    return known;
  }
  const pathCrc = crc32(path === '/' ? '' : path);
  const crc = data === null ? pathCrc : crc32(data, pathCrc);
  if (data !== null && data.length >= LARGE_BYTES) {
    contentCrcs.set(data, crc);
  }
  return crc;
}
