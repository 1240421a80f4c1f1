/**
 * The tree in its obvious form, the oracle of the compact one: a map of paths to plain objects, every total computed
 * from scratch when it is asked for.
 */
import { crc32 } from 'node:zlib';
import { type ACL, ErrorNumber, OPEN_ACL, type OwnerRules, ownerKind, READ_ACL } from '@treekeeper/protocol';
import type { Change } from '../../src/tree/data-tree.ts';

export interface NaiveNode {
  data: Buffer | null;
  aclId: bigint;
  owner: bigint;
  czxid: number;
  mzxid: number;
  pzxid: number;
  ctimeMs: number;
  mtimeMs: number;
  version: number;
  cversion: number;
  aversion: number;
}

interface NaiveAcl {
  id: bigint;
  acl: readonly ACL[];
  uses: number;
}

const noStat = { czxid: 0, mzxid: 0, pzxid: 0, ctimeMs: 0, mtimeMs: 0, version: 0, cversion: 0, aversion: 0 };

/** The root is "" here. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

export class NaiveTree {
  readonly nodes = new Map<string, NaiveNode>();
  readonly acls: NaiveAcl[] = [];
  highestAclId = 0n;
  changes: Change[] = [];
  readonly #rules: OwnerRules;

  constructor(rules: OwnerRules) {
    this.#rules = rules;
    const builtIn = { data: Buffer.alloc(0), aclId: -1n, owner: 0n, ...noStat };
    for (const path of ['', '/zookeeper', '/zookeeper/quota']) {
      this.nodes.set(path, { ...builtIn });
    }
    this.nodes.set('/zookeeper/config', { ...builtIn, aclId: this.takeAcl(READ_ACL), aversion: -1 });
  }

  takeAcl(acl: readonly ACL[] | null): bigint {
    if (acl === null) {
      return -1n;
    }
    let entry = this.acls.find((candidate) => JSON.stringify(candidate.acl) === JSON.stringify(acl));
    if (entry === undefined) {
      entry = { id: ++this.highestAclId, acl, uses: 0 };
      this.acls.push(entry);
    }
    entry.uses += 1;
    return entry.id;
  }

  releaseAcl(id: bigint): void {
    const at = this.acls.findIndex((entry) => entry.id === id);
    if (at >= 0) {
      this.acls[at].uses -= 1;
      if (this.acls[at].uses === 0) {
        this.acls.splice(at, 1);
      }
    }
  }

  aclOf(path: string): readonly ACL[] {
    const { aclId } = this.#node(path);
    return this.acls.find((entry) => entry.id === aclId)?.acl ?? OPEN_ACL;
  }

  #node(path: string): NaiveNode {
    const node = this.nodes.get(path);
    if (node === undefined) {
      throw new Error(`no ${path}`);
    }
    return node;
  }

  kind(path: string): string {
    return ownerKind(this.#node(path).owner, this.#rules);
  }

  childrenOf(path: string): string[] {
    return [...this.nodes.keys()].filter((child) => child !== '' && parentOf(child) === path);
  }

  below(path: string): string[] {
    return [...this.nodes.keys()].filter((other) => other.startsWith(`${path}/`));
  }

  #record(kind: Change['kind'], path: string): void {
    this.changes.push({
      kind,
      path: path === '' ? '/' : path,
      acl: this.aclOf(path),
      parentAcl: this.aclOf(path === '' ? '' : parentOf(path)),
    });
  }

  create(
    path: string,
    data: Buffer | null,
    acl: readonly ACL[] | null,
    owner: bigint,
    parentCversion: number,
    zxid: number,
    timeMs: number,
    isCreateTxn: boolean,
  ): number {
    const parent = this.nodes.get(parentOf(path));
    if (parent === undefined) {
      return ErrorNumber.NO_NODE;
    }
    const existing = this.nodes.get(path);
    const raise = () => {
      const wanted = parentCversion === -1 ? parent.cversion + 1 : parentCversion;
      if (wanted > parent.cversion) {
        parent.cversion = wanted;
        parent.pzxid = zxid;
      }
    };
    if (existing !== undefined) {
      const old = existing.aclId;
      existing.aclId = this.takeAcl(acl);
      this.releaseAcl(old);
      if (isCreateTxn) {
        raise();
      }
      return ErrorNumber.NODE_EXISTS;
    }
    const stat = { ...noStat, czxid: zxid, mzxid: zxid, pzxid: zxid, ctimeMs: timeMs, mtimeMs: timeMs };
    this.nodes.set(path, { data, aclId: this.takeAcl(acl), owner, ...stat });
    raise();
    this.#record('created', path);
    this.#rewriteStatistics(path, true);
    return 0;
  }

  remove(path: string, zxid: number): number {
    const parent = this.nodes.get(parentOf(path));
    if (parent === undefined) {
      return ErrorNumber.NO_NODE;
    }
    parent.pzxid = Math.max(parent.pzxid, zxid);
    if (!this.nodes.has(path)) {
      return ErrorNumber.NO_NODE;
    }
    const gone = [...this.below(path), path].sort((a, b) => b.length - a.length);
    for (const each of gone) {
      this.#record('deleted', each);
      this.releaseAcl(this.#node(each).aclId);
      this.nodes.delete(each);
    }
    this.#rewriteStatistics(path);
    return 0;
  }

  setData(path: string, data: Buffer | null, version: number, zxid: number, timeMs: number): number {
    const node = this.nodes.get(path);
    if (node === undefined) {
      return ErrorNumber.NO_NODE;
    }
    const growth = (data?.length ?? 0) - (node.data?.length ?? 0);
    Object.assign(node, { data, version, mzxid: zxid, mtimeMs: timeMs });
    this.#record('dataChanged', path);
    if (growth !== 0) {
      this.#rewriteStatistics(path);
    }
    return 0;
  }

  setAcl(path: string, acl: readonly ACL[] | null, aversion: number): number {
    const node = this.nodes.get(path);
    if (node === undefined) {
      return ErrorNumber.NO_NODE;
    }
    this.releaseAcl(node.aclId);
    node.aclId = this.takeAcl(acl);
    node.aversion = aversion;
    return 0;
  }

  totals(prefix: string): { count: number; bytes: number } {
    const paths = [...(this.nodes.has(prefix) ? [prefix] : []), ...this.below(prefix)];
    return { count: paths.length, bytes: paths.reduce((sum, path) => sum + (this.#node(path).data?.length ?? 0), 0) };
  }

  /**
   * Statistics that a change at `path` rewrites: of the prefixes with limits above it; its own, or those beside it, if it
   * is created and is statistics or limits.
   */
  #rewriteStatistics(path: string, isCreated = false): void {
    for (const stats of this.below('/zookeeper/quota').filter((other) => other.endsWith('/zookeeper_stats'))) {
      const prefix = parentOf(stats).slice('/zookeeper/quota'.length);
      const isAbove = path === prefix || path.startsWith(`${prefix}/`);
      const isQuota = path === stats || path === `${parentOf(stats)}/zookeeper_limits`;
      const hasLimits = this.nodes.has(`${parentOf(stats)}/zookeeper_limits`);
      if (prefix !== '' && ((isCreated && isQuota) || (isAbove && hasLimits))) {
        const { count, bytes } = this.totals(prefix);
        this.#node(stats).data = Buffer.from(`count=${count},bytes=${bytes}`);
      }
    }
  }

  get approximateDataSize(): number {
    return [...this.nodes].reduce((sum, [path, { data }]) => sum + path.length + (data?.length ?? 0), 1);
  }

  nodeDigest(path: string): number {
    const node = this.#node(path);
    if (path.startsWith('/zookeeper/')) {
      return 0;
    }
    const stat = Buffer.alloc(60);
    [node.czxid, node.mzxid, node.pzxid, node.ctimeMs, node.mtimeMs].forEach((value, i) => {
      stat.writeBigInt64BE(BigInt(value), 8 * i);
    });
    [node.version, node.cversion, node.aversion].forEach((value, i) => {
      stat.writeInt32BE(value, 40 + 4 * i);
    });
    stat.writeBigInt64BE(node.owner, 52);
    return crc32(Buffer.concat([Buffer.from(path), node.data ?? Buffer.alloc(0), stat]));
  }

  get digest(): bigint {
    const sum = [...this.nodes.keys()].reduce((total, path) => total + BigInt(this.nodeDigest(path)), 0n);
    return BigInt.asIntN(64, sum);
  }
}
