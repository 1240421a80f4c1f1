/** The protocol's semantics in the most obvious way: a map of paths, copied whole wherever something may be undone. */
import { isSequentialMode, isTtlMode, OpCode, type Stat } from '@treekeeper/protocol';

export interface ModelNode {
  data: string | null;
  version: number;
  /** Creations below it. */
  creations: number;
  aversion: number;
  owner: bigint;
  czxid: number;
  mzxid: number;
  pzxid: number;
  ctimeMs: number;
  mtimeMs: number;
}

export type ModelWrite =
  | { op: 'create'; opcode: number; path: string; data: string | null; flags: number; ttl: bigint }
  | { op: 'delete'; path: string; version: number }
  | { op: 'setData'; path: string; data: string | null; version: number }
  | { op: 'check'; path: string; version: number }
  | { op: 'setACL'; path: string; version: number }
  | { op: 'multi'; parts: ModelWrite[] }
  | { op: 'closeSession' };

export interface Outcome {
  err: number;
  path?: string;
  stat?: Stat;
  data?: string | null;
  children?: string[];
  number?: number;
  results?: Outcome[];
}

const RESERVED = ['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config'];
const EPHEMERAL_FLAGS = [1, 3];

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function isLegal(path: string): boolean {
  return path === '/' || /^(\/(?!\.{1,2}(\/|$))[^/\0]+)+$/.test(path);
}

function freshNode(data: string | null, zxid: number, timeMs: number, owner: bigint): ModelNode {
  const counters = { version: 0, creations: 0, aversion: 0 };
  return { data, ...counters, owner, czxid: zxid, mzxid: zxid, pzxid: zxid, ctimeMs: timeMs, mtimeMs: timeMs };
}

export class Model {
  nodes: Map<string, ModelNode>;

  constructor(nodes?: Map<string, ModelNode>) {
    this.nodes = nodes ?? new Map(RESERVED.map((path) => [path, freshNode('', 0, 0, 0n)]));
    if (nodes === undefined) {
      (this.nodes.get('/zookeeper/config') as ModelNode).aversion = -1;
    }
  }

  copy(): Model {
    return new Model(new Map([...this.nodes].map(([path, node]) => [path, { ...node }])));
  }

  childrenOf(path: string): string[] {
    const names = [...this.nodes.keys()].filter((one) => one !== '/' && parentOf(one) === path);
    return names.map((one) => one.slice(one.lastIndexOf('/') + 1)).sort();
  }

  stat(path: string): Stat {
    const node = this.nodes.get(path) as ModelNode;
    const numChildren = this.childrenOf(path).length;
    return {
      czxid: BigInt(node.czxid),
      mzxid: BigInt(node.mzxid),
      ctime: BigInt(node.ctimeMs),
      mtime: BigInt(node.mtimeMs),
      version: node.version,
      cversion: 2 * node.creations - numChildren,
      aversion: node.aversion,
      ephemeralOwner: node.owner,
      dataLength: node.data === null ? 0 : Buffer.byteLength(node.data),
      numChildren,
      pzxid: BigInt(node.pzxid),
    };
  }

  ephemeralsOf(session: bigint): string[] {
    return [...this.nodes].filter(([, { owner }]) => owner === session).map(([path]) => path);
  }

  /** Does a write, or says why not; after an error nothing has changed. */
  write(request: ModelWrite, session: bigint, zxid: number, timeMs: number): Outcome {
    switch (request.op) {
      case 'create':
        return this.#create(request, session, zxid, timeMs);
      case 'delete':
        return this.#delete(request.path, request.version, zxid);
      case 'setData':
        return this.#setData(request.path, request.data, request.version, zxid, timeMs);
      case 'check':
        return { err: this.#fault(request.path, request.version, 'version', true) };
      case 'setACL': {
        const fault = this.#fault(request.path, request.version, 'aversion');
        if (fault === 0) {
          (this.nodes.get(request.path) as ModelNode).aversion++;
        }
        return fault === 0 ? { err: 0, stat: this.stat(request.path) } : { err: fault };
      }
      case 'multi':
        return this.#multi(request.parts, session, zxid, timeMs);
      case 'closeSession':
        for (const path of this.ephemeralsOf(session)) {
          this.#remove(path, zxid);
        }
        return { err: 0 };
    }
  }

  #fault(path: string, version: number, of: 'version' | 'aversion', reads = false): number {
    const node = this.nodes.get(path);
    if (!isLegal(path)) {
      return -8;
    }
    if (node === undefined) {
      return -101;
    }
    if (path === '/zookeeper/config' && !reads) {
      return -102; // anyone may read it, and nothing else
    }
    return version === -1 || version === node[of] ? 0 : -103;
  }

  #create(request: ModelWrite & { op: 'create' }, session: bigint, zxid: number, timeMs: number): Outcome {
    const { opcode, path: wanted, data, flags, ttl } = request;
    if ((opcode === OpCode.createTTL) !== isTtlMode(flags) || (opcode === OpCode.createTTL && ttl <= 0n)) {
      return { err: -8 };
    }
    if (!wanted.includes('/')) {
      return { err: -8 };
    }
    const parent = this.nodes.get(parentOf(wanted));
    if (parent === undefined) {
      return { err: -101 };
    }
    if (parentOf(wanted) === '/zookeeper/config') {
      return { err: -102 };
    }
    const path = isSequentialMode(flags) ? wanted + String(parent.creations).padStart(10, '0') : wanted;
    if (!isLegal(path)) {
      return { err: -8 };
    }
    if (this.nodes.has(path)) {
      return { err: -110 };
    }
    if (parent.owner !== 0n) {
      return { err: -108 };
    }
    const isEphemeral = EPHEMERAL_FLAGS.includes(flags) && opcode !== OpCode.createContainer;
    parent.creations++;
    parent.pzxid = zxid;
    this.nodes.set(path, freshNode(data, zxid, timeMs, isEphemeral ? session : 0n));
    return opcode === OpCode.create ? { err: 0, path } : { err: 0, path, stat: this.stat(path) };
  }

  #remove(path: string, zxid: number): void {
    this.nodes.delete(path);
    (this.nodes.get(parentOf(path)) as ModelNode).pzxid = zxid;
  }

  #delete(path: string, version: number, zxid: number): Outcome {
    if (RESERVED.includes(path) || !path.includes('/')) {
      return { err: -8 };
    }
    if (!this.nodes.has(parentOf(path))) {
      return { err: -101 };
    }
    if (parentOf(path) === '/zookeeper/config') {
      return { err: -102 };
    }
    const node = this.nodes.get(path);
    if (node === undefined) {
      return { err: -101 };
    }
    if (version !== -1 && version !== node.version) {
      return { err: -103 };
    }
    if (this.childrenOf(path).length > 0) {
      return { err: -111 };
    }
    this.#remove(path, zxid);
    return { err: 0 };
  }

  #setData(path: string, data: string | null, version: number, zxid: number, timeMs: number): Outcome {
    const fault = this.#fault(path, version, 'version');
    if (fault !== 0) {
      return { err: fault };
    }
    const node = this.nodes.get(path) as ModelNode;
    Object.assign(node, { data, version: node.version + 1, mzxid: zxid, mtimeMs: timeMs });
    return { err: 0, stat: this.stat(path) };
  }

  #multi(parts: ModelWrite[], session: bigint, zxid: number, timeMs: number): Outcome {
    if (parts.some((part) => part.op === 'create' && isTtlMode(part.flags) && part.opcode !== OpCode.createTTL)) {
      return { err: -5 };
    }
    const trial = this.copy();
    const results: Outcome[] = [];
    for (const part of parts) {
      const result = trial.write(part, session, zxid, timeMs);
      results.push(result);
      if (result.err !== 0) {
        return { err: 0, results: parts.map((_, i) => ({ err: i < results.length ? results[i].err : -2 })) };
      }
    }
    this.nodes = trial.nodes;
    return { err: 0, results };
  }
}
