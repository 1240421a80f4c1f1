import { type NodeId, type NodeTable, ROOT, Row } from './node-table.ts';

/**
 * A walk over all nodes that may take many turns: depth first, a parent before its children. Nodes may come and go
 * between steps: one that goes before its turn is left out, and so is, with all below it, one created after `sinceZxid`
 * (the log has it). Every node that was there at the beginning and is still there at its turn is met once.
 */
export class TreeWalk {
  readonly #nodes: NodeTable;
  readonly #sinceZxid: number;
  readonly #active: Set<TreeWalk>;
  /** Where `next` goes on: kept ahead of the node returned last, which may be removed meanwhile. */
  #ahead: NodeId = ROOT;
  /** The ACL ids that nodes had at the beginning, of those whose ACL was set since. */
  readonly #aclIds = new Map<NodeId, bigint>();

  /** Walks in `active` are told of removals and of changed ACLs by the tree. */
  constructor(nodes: NodeTable, sinceZxid: number, active: Set<TreeWalk>) {
    this.#nodes = nodes;
    this.#sinceZxid = sinceZxid;
    this.#active = active;
    active.add(this);
  }

  /** The next node; 0 at the end. */
  next(): NodeId {
    let node = this.#ahead;
    while (node !== 0 && this.#nodes.long(node, Row.czxid) > this.#sinceZxid) {
      node = this.#nodes.followingSubtree(node, ROOT);
    }
    if (node === 0) {
      this.end();
      return 0;
    }
    this.#ahead = this.#nodes.following(node, ROOT);
    return node;
  }

  /** Gives the walk up; `next` then says 0. */
  end(): void {
    this.#ahead = 0;
    this.#active.delete(this);
  }

  /** Of a node that `next` has returned: the ACL id that it had at the beginning, if its ACL was set since. */
  aclIdBefore(node: NodeId): bigint | undefined {
    return this.#aclIds.get(node);
  }

  /** For the tree, before it sets the ACL of a node. */
  aclChanges(node: NodeId, aclId: bigint): void {
    if (!this.#aclIds.has(node)) {
      this.#aclIds.set(node, aclId);
    }
  }

  /** For the tree, before it unlinks a node without children. */
  leafRemoved(node: NodeId): void {
    if (this.#ahead === node) {
      this.#ahead = this.#nodes.followingSubtree(node, ROOT);
    }
  }
}
