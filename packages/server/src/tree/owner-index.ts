/** Nodes by what their ephemeralOwner says: the ephemerals of each session, the containers, the TTL nodes. */
import type { OwnerKind } from '@treekeeper/protocol';
import { type NodeId, type NodeTable, Row } from './node-table.ts';

/** Kinds by the number a row holds. */
export const OWNER_KINDS: readonly OwnerKind[] = ['persistent', 'ephemeral', 'container', 'ttl'];
const EPHEMERAL = OWNER_KINDS.indexOf('ephemeral');
const CONTAINER = OWNER_KINDS.indexOf('container');

/** Lists linked through the rows: adding and removing cost the same at any length. */
export class OwnerIndex {
  readonly #nodes: NodeTable;
  readonly #firstOfSession = new Map<bigint, NodeId>();
  #firstContainer: NodeId = 0;
  #firstTtl: NodeId = 0;
  #ephemeralCount = 0;

  constructor(nodes: NodeTable) {
    this.#nodes = nodes;
  }

  get ephemeralCount(): number {
    return this.#ephemeralCount;
  }

  sessions(): Iterable<bigint> {
    return this.#firstOfSession.keys();
  }

  ephemeralsOf(session: bigint): Iterable<NodeId> {
    return this.#list(this.#firstOfSession.get(session) ?? 0);
  }

  containers(): Iterable<NodeId> {
    return this.#list(this.#firstContainer);
  }

  ttlNodes(): Iterable<NodeId> {
    return this.#list(this.#firstTtl);
  }

  *#list(first: NodeId): Iterable<NodeId> {
    for (let node = first; node !== 0; node = this.#nodes.int(node, Row.nextOwned)) {
      yield node;
    }
  }

  /** Lists a node whose row says who owns it; persistent nodes are in no list. */
  add(node: NodeId): void {
    const kind = this.#nodes.int(node, Row.ownerKind);
    if (kind === 0) {
      return;
    }
    const first = this.#first(node, kind);
    this.#nodes.setInt(node, Row.nextOwned, first);
    if (first !== 0) {
      this.#nodes.setInt(first, Row.previousOwned, node);
    }
    this.#setFirst(node, kind, node);
    this.#ephemeralCount += kind === EPHEMERAL ? 1 : 0;
  }

  remove(node: NodeId): void {
    const kind = this.#nodes.int(node, Row.ownerKind);
    if (kind === 0) {
      return;
    }
    const previous = this.#nodes.int(node, Row.previousOwned);
    const next = this.#nodes.int(node, Row.nextOwned);
    if (previous === 0) {
      this.#setFirst(node, kind, next);
    } else {
      this.#nodes.setInt(previous, Row.nextOwned, next);
    }
    if (next !== 0) {
      this.#nodes.setInt(next, Row.previousOwned, previous);
    }
    this.#nodes.setInt(node, Row.nextOwned, 0);
    this.#nodes.setInt(node, Row.previousOwned, 0);
    this.#ephemeralCount -= kind === EPHEMERAL ? 1 : 0;
  }

  #first(node: NodeId, kind: number): NodeId {
    if (kind === EPHEMERAL) {
      return this.#firstOfSession.get(this.#nodes.bigint(node, Row.owner)) ?? 0;
    }
    return kind === CONTAINER ? this.#firstContainer : this.#firstTtl;
  }

  #setFirst(node: NodeId, kind: number, first: NodeId): void {
    if (kind === EPHEMERAL) {
      const session = this.#nodes.bigint(node, Row.owner);
      if (first === 0) {
        this.#firstOfSession.delete(session);
      } else {
        this.#firstOfSession.set(session, first);
      }
    } else if (kind === CONTAINER) {
      this.#firstContainer = first;
    } else {
      this.#firstTtl = first;
    }
  }
}
