/** The least that is needed of a ZooKeeper tree: versions, transactions, ephemeral owners, who hears of a change. */
import type { Operation } from '../../src/master-worker/steps.ts';

export interface ModelNode {
  readonly data: Uint8Array | null;
  readonly version: number;
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly mtimeMs: number;
  /** 0: persistent. */
  readonly owner: number;
}

export interface Change {
  readonly type: 'created' | 'data-changed' | 'deleted';
  readonly path: string;
  readonly zxid: bigint;
}

export class ModelTree {
  readonly nodes = new Map<string, ModelNode>();
  readonly listeners = new Set<(change: Change) => void>();
  readonly sessions = new Set<number>();
  timeMs = 1000;
  #zxid = 0n;
  #sessionsMade = 0;

  openSession(): number {
    this.#sessionsMade += 1;
    this.sessions.add(this.#sessionsMade);
    return this.#sessionsMade;
  }

  expire(session: number): void {
    this.sessions.delete(session);
    this.#zxid += 1n;
    for (const [path, { owner }] of [...this.nodes]) {
      if (owner === session) {
        this.nodes.delete(path);
        this.#tell({ type: 'deleted', path, zxid: this.#zxid });
      }
    }
  }

  /** Of the last transaction. */
  get zxid(): bigint {
    return this.#zxid;
  }

  children(path: string): string[] {
    return [...this.nodes.keys()]
      .filter((node) => node.startsWith(`${path}/`) && !node.slice(path.length + 1).includes('/'))
      .map((node) => node.slice(path.length + 1));
  }

  /** Null: done. Else the index of the operation that was refused; -1: the session has expired. */
  commit(session: number, operations: readonly (Operation & { readonly ephemeral?: boolean })[]): number | null {
    if (!this.sessions.has(session)) {
      return -1;
    }
    const before = new Map(this.nodes);
    const changes: Change[] = [];
    this.#zxid += 1n;
    for (const [i, operation] of operations.entries()) {
      const change = this.#apply(session, operation);
      if (change === false) {
        this.nodes.clear();
        for (const [path, node] of before) {
          this.nodes.set(path, node);
        }
        return i;
      }
      if (change !== null) {
        changes.push(change);
      }
    }
    for (const change of changes) {
      this.#tell(change);
    }
    return null;
  }

  /** False: refused. */
  #apply(session: number, operation: Operation & { readonly ephemeral?: boolean }): Change | null | false {
    const { path } = operation;
    const node = this.nodes.get(path);
    if (operation.op === 'create') {
      if (node !== undefined || !this.nodes.has(path.slice(0, path.lastIndexOf('/')))) {
        return false;
      }
      const owner = operation.ephemeral === true ? session : 0;
      const made = { version: 0, czxid: this.#zxid, mzxid: this.#zxid, mtimeMs: this.timeMs };
      this.nodes.set(path, { data: operation.data, ...made, owner });
      return { type: 'created', path, zxid: this.#zxid };
    }
    if (node === undefined || (operation.version !== -1 && operation.version !== node.version)) {
      return false;
    }
    if (operation.op === 'set') {
      const changed = { version: node.version + 1, mzxid: this.#zxid, mtimeMs: this.timeMs };
      this.nodes.set(path, { ...node, data: operation.data, ...changed });
      return { type: 'data-changed', path, zxid: this.#zxid };
    }
    if (operation.op === 'delete') {
      if (this.children(path).length > 0) {
        return false;
      }
      this.nodes.delete(path);
      return { type: 'deleted', path, zxid: this.#zxid };
    }
    return null;
  }

  #tell(change: Change): void {
    for (const listener of this.listeners) {
      listener(change);
    }
  }
}
