/**
 * The tree: znodes with their stats, data, ACLs and owners, its digest, and the rules by which transactions change it
 * (disk-format.md §3.6), the same live and in replay. It is compact rather than object-shaped: see node-table.ts for
 * the rows, node-content.ts for names and data, path-index.ts for finding a path.
 */
import {
  type ACL,
  ErrorNumber,
  JuteWriter,
  type OwnerRules,
  ownerKind,
  READ_ACL,
  StatPersisted,
} from '@treekeeper/protocol';
import { crc32, crc32Joined, crc32OfSixty } from './crc32.ts';
import { countsInDigest, dataCrcOf } from './digest.ts';
import { isShared } from './node-content.ts';
import { type NodeId, ROOT, Row } from './node-table.ts';
import { OWNER_KINDS } from './owner-index.ts';
import { QuotaTracker } from './quota.ts';
import { ReadableTree } from './readable-tree.ts';
import { TreeWalk } from './walk.ts';

export type { NodeId } from './node-table.ts';
export { TreeWalk } from './walk.ts';

export interface TreeOptions {
  /** Off: `digest` is 0 and no CRC is computed but that of paths. */
  readonly digestEnabled: boolean;
  readonly ownerRules: OwnerRules;
}

/** What watches want to know, in the order in which it happened. */
export interface Change {
  readonly kind: 'created' | 'deleted' | 'dataChanged';
  readonly path: string;
  /** The node's ACL; the one it had, when it is deleted. */
  readonly acl: readonly ACL[];
  /** The parent's; the root's own for the root. */
  readonly parentAcl: readonly ACL[];
}

const EMPTY = new Uint8Array(0);

export class DataTree extends ReadableTree {
  readonly quota: QuotaTracker;
  /** The last transaction applied; the caller sets it after each. */
  lastZxid = 0;
  /** What happened since the caller emptied it last. */
  readonly changes: Change[] = [];
  /** Whether `changes` is kept; replay needs none. */
  recordChanges = true;
  readonly #digestEnabled: boolean;
  readonly #walks = new Set<TreeWalk>();

  /** The fresh tree, of zxid 0: `/`, `/zookeeper`, `/zookeeper/quota`, `/zookeeper/config` (disk-format.md §0). */
  constructor({ digestEnabled, ownerRules }: TreeOptions) {
    super(ownerRules);
    this.#digestEnabled = digestEnabled;
    this.quota = new QuotaTracker({
      find: (path) => this.find(path),
      data: (node) => this.data(node),
      totals: (top) => this.totals(top),
      pathsBelow: (top) => this.pathsBelow(top),
      rewrite: (node, data) => this.#replaceData(node, data, this.#crcOf(data)),
    });
    this.#addRoot();
    this.#addBuiltIn('/zookeeper', null, 0);
    this.#addBuiltIn('/zookeeper/quota', null, 0);
    this.#addBuiltIn('/zookeeper/config', READ_ACL, -1);
  }

  #addRoot(): void {
    this.nodes.allocate();
    this.nodes.setInt(ROOT, Row.isDigested, this.#digestEnabled ? 1 : 0);
    this.content.initialise(ROOT, EMPTY, 0, 0, EMPTY, 0);
    this.#contentChanged(ROOT, 0);
    this.#statChanged(ROOT);
  }

  #addBuiltIn(path: string, acl: readonly ACL[] | null, aversion: number): void {
    this.encodedPath.encode(path);
    const node = this.#add(this.index.findParent(this.encodedPath), EMPTY, 0, this.acls.take(acl));
    this.#contentChanged(node, 0);
    this.nodes.setInt(node, Row.aversion, aversion);
    this.#statChanged(node);
  }

  // Changes (disk-format.md §3.6): each returns 0 or the number of an error, which replay ignores.

  /**
   * Creates a node. `acl` null: the open ACL. `owner`: what is stored as ephemeralOwner. `parentCversion`: the parent's
   * cversion after this, −1: one more than it is. `isCreateTxn`: the transaction is of type 1, the only one whose
   * replay over a node that exists puts its parent right. `dataCrc`: CRC-32 of the data, where it is known already.
   */
  create(
    path: string,
    data: Uint8Array | null,
    acl: readonly ACL[] | null,
    owner: bigint,
    parentCversion: number,
    zxid: number,
    timeMs: number,
    isCreateTxn: boolean,
    dataCrc: number = this.#crcOf(data),
  ): number {
    this.encodedPath.encode(path);
    const existing = this.index.find(this.encodedPath);
    const parent = this.index.findParent(this.encodedPath);
    if (existing !== 0) {
      this.#repairAcl(existing, acl);
      if (isCreateTxn && parent !== 0) {
        this.#raiseCversion(parent, parentCversion, zxid);
      }
      return ErrorNumber.NODE_EXISTS;
    }
    if (parent === 0) {
      return ErrorNumber.NO_NODE;
    }
    const node = this.#add(parent, data, dataCrc, this.acls.take(acl));
    this.#contentChanged(node, dataCrc);
    this.#setOwner(node, owner);
    const nodes = this.nodes;
    nodes.setLong(node, Row.czxid, zxid);
    nodes.setLong(node, Row.mzxid, zxid);
    nodes.setLong(node, Row.pzxid, zxid);
    nodes.setLong(node, Row.ctimeMs, timeMs);
    nodes.setLong(node, Row.mtimeMs, timeMs);
    this.#statChanged(node);
    this.#raiseCversion(parent, parentCversion, zxid);
    this.#countCreated(path, node);
    this.#record('created', path, node, parent);
    return 0;
  }

  /** Removes a node, and in replay all that is below it; a live removal of a node with children is refused before. */
  remove(path: string, zxid: number): number {
    this.encodedPath.encode(path);
    if (this.encodedPath.length === 0) {
      return ErrorNumber.BAD_ARGUMENTS;
    }
    const parent = this.index.findParent(this.encodedPath);
    if (parent === 0) {
      return ErrorNumber.NO_NODE;
    }
    const node = this.index.find(this.encodedPath);
    if (this.pzxid(parent) < zxid) {
      this.nodes.setLong(parent, Row.pzxid, zxid);
      this.#statChanged(parent);
    }
    if (node === 0) {
      return ErrorNumber.NO_NODE;
    }
    this.#removeDescendants(node);
    this.#removeLeaf(path, node);
    return 0;
  }

  /**
   * A live delete has none to remove. Over a fuzzy snapshot a node may have children from later in the log, made after
   * it was removed and created again; the log goes on to make them again.
   */
  #removeDescendants(top: NodeId): void {
    let node = top;
    for (;;) {
      const child = this.firstChild(node);
      if (child !== 0) {
        node = child;
      } else if (node === top) {
        return;
      } else {
        const parent = this.parent(node);
        this.#removeLeaf(this.path(node), node);
        node = parent;
      }
    }
  }

  #removeLeaf(path: string, node: NodeId): void {
    const parent = this.parent(node);
    this.#record('deleted', path, node, parent);
    const dataLength = this.dataLength(node);
    for (const walk of this.#walks) {
      walk.leafRemoved(node);
    }
    this.digestSum.add(-this.nodeDigest(node));
    this.dataSize -= path.length + dataLength;
    this.acls.release(this.nodes.int(node, Row.aclSlot));
    this.owners.remove(node);
    this.index.remove(node, this.nodes.crc(node, Row.pathCrc));
    this.nodes.unlinkChild(parent, node);
    this.content.release(node);
    this.nodes.release(node);
    if (countsInDigest(path)) {
      this.quota.changed(path, -1, -dataLength);
    } else {
      this.quota.systemRemoved(path);
    }
  }

  /** `version` is the new one. `dataCrc`: CRC-32 of the data, where it is known already. */
  setData(
    path: string,
    data: Uint8Array | null,
    version: number,
    zxid: number,
    timeMs: number,
    dataCrc: number = this.#crcOf(data),
  ): number {
    const node = this.find(path);
    if (node === 0) {
      return ErrorNumber.NO_NODE;
    }
    const growth = (data === null ? 0 : data.length) - this.dataLength(node);
    this.nodes.setInt(node, Row.version, version);
    this.nodes.setLong(node, Row.mzxid, zxid);
    this.nodes.setLong(node, Row.mtimeMs, timeMs);
    this.#replaceData(node, data, dataCrc);
    this.#statChanged(node);
    if (!countsInDigest(path)) {
      this.quota.systemChanged(path);
    } else if (growth !== 0) {
      this.quota.changed(path, 0, growth);
    }
    this.#record('dataChanged', path, node, node === ROOT ? node : this.parent(node));
    return 0;
  }

  /** `aversion` is the new one; `acl` null: the open ACL. */
  setAcl(path: string, acl: readonly ACL[] | null, aversion: number): number {
    const node = this.find(path);
    if (node === 0) {
      return ErrorNumber.NO_NODE;
    }
    for (const walk of this.#walks) {
      walk.aclChanges(node, this.aclId(node));
    }
    // In this order: the only user of a list that sets the same list again moves to a new id (disk-format.md §3.2).
    this.acls.release(this.nodes.int(node, Row.aclSlot));
    this.nodes.setInt(node, Row.aclSlot, this.acls.take(acl));
    this.nodes.setInt(node, Row.aversion, aversion);
    this.#statChanged(node);
    return 0;
  }

  /** A create replayed over a node that exists: its ACL id may be one that the snapshot's table lacks. */
  #repairAcl(node: NodeId, acl: readonly ACL[] | null): void {
    const slot = this.acls.take(acl);
    this.acls.release(this.nodes.int(node, Row.aclSlot));
    this.nodes.setInt(node, Row.aclSlot, slot);
  }

  /** A child was created: only a larger cversion counts, so that a transaction replayed twice changes nothing. */
  #raiseCversion(parent: NodeId, parentCversion: number, zxid: number): void {
    const current = this.cversion(parent);
    const cversion = parentCversion === -1 ? (current + 1) | 0 : parentCversion;
    if (cversion > current) {
      this.nodes.setInt(parent, Row.cversion, cversion);
      this.nodes.setLong(parent, Row.pzxid, zxid);
      this.#statChanged(parent);
    }
  }

  /** Adds a node under the path encoded last, its stat all zeros; contentCrc and its part of the digest are missing. */
  #add(parent: NodeId, data: Uint8Array | null, dataCrc: number, aclSlot: number): NodeId {
    const { bytes, length, chars, crc, parentLength, isSystem } = this.encodedPath;
    const nodes = this.nodes;
    const node = nodes.allocate();
    nodes.setInt(node, Row.pathCrc, crc);
    nodes.setInt(node, Row.aclSlot, aclSlot);
    nodes.setInt(node, Row.isDigested, this.#digestEnabled && !isSystem ? 1 : 0);
    this.content.initialise(node, bytes, parentLength + 1, length, data, dataCrc);
    nodes.linkChild(parent, node);
    this.index.insert(node, crc);
    this.dataSize += chars + this.dataLength(node);
    return node;
  }

  #setOwner(node: NodeId, owner: bigint): void {
    if (owner === 0n && this.nodes.int(node, Row.ownerKind) === 0) {
      return;
    }
    this.owners.remove(node);
    this.nodes.setBigint(node, Row.owner, owner);
    this.nodes.setInt(node, Row.ownerKind, OWNER_KINDS.indexOf(ownerKind(owner, this.ownerRules)));
    this.owners.add(node);
  }

  #replaceData(node: NodeId, data: Uint8Array | null, dataCrc: number): void {
    const before = this.dataLength(node);
    this.content.setData(node, data, dataCrc);
    this.#contentChanged(node, dataCrc);
    this.dataSize += this.dataLength(node) - before;
  }

  #contentChanged(node: NodeId, dataCrc: number): void {
    if (this.#digestEnabled) {
      const pathCrc = this.nodes.crc(node, Row.pathCrc);
      this.nodes.setInt(node, Row.contentCrc, crc32Joined(pathCrc, dataCrc, this.dataLength(node)));
    }
  }

  /** CRC-32 of data, as far as anybody wants to know it: the digest, or the table of shared values. */
  #crcOf(data: Uint8Array | null): number {
    return data !== null && (this.#digestEnabled || isShared(data)) ? dataCrcOf(data) : 0;
  }

  /** The stat (or content) of a node changed: so does its share in the digest. */
  #statChanged(node: NodeId): void {
    const nodes = this.nodes;
    if (nodes.int(node, Row.isDigested) !== 0) {
      const digest = crc32OfSixty(nodes.view(node), nodes.offset(node), nodes.crc(node, Row.contentCrc));
      this.digestSum.add(digest - nodes.crc(node, Row.digest));
      nodes.setInt(node, Row.digest, digest);
    }
  }

  #countCreated(path: string, node: NodeId): void {
    if (countsInDigest(path)) {
      this.quota.changed(path, 1, this.dataLength(node));
    } else {
      this.quota.systemCreated(path);
    }
  }

  #record(kind: Change['kind'], path: string, node: NodeId, parent: NodeId): void {
    if (this.recordChanges) {
      this.changes.push({ kind, path, acl: this.acl(node), parentAcl: this.acl(parent) });
    }
  }

  // Snapshots (disk-format.md §3)

  /**
   * Takes a node over from a snapshot; those of the fresh tree are replaced. The ACL table comes first (`acls.load`),
   * the root has the path "". Throws Error when the parent is missing.
   */
  loadNode(path: string, data: Uint8Array | null, aclId: bigint, stat: StatPersisted): void {
    const writer = new JuteWriter();
    writer.ustring(path);
    writer.buffer(data);
    writer.long(aclId);
    StatPersisted.encode(writer, stat);
    this.loadEncodedNode(writer.bytes, 0);
  }

  /**
   * The same, of a node as `writeNode` writes it, from bytes[start] on. No string, bigint or object is made of what goes
   * from bytes to bytes: a million nodes have to come in within a second or two.
   */
  loadEncodedNode(bytes: Uint8Array, start: number): void {
    const pathStart = start + 4;
    const pathEnd = pathStart + readInt(bytes, start);
    const dataStart = pathEnd + 4;
    const dataLength = readInt(bytes, pathEnd);
    const tail = dataStart + Math.max(dataLength, 0);
    const data = dataLength < 0 ? null : new Uint8Array(bytes.buffer, bytes.byteOffset + dataStart, dataLength);
    this.encodedPath.take(bytes, pathStart, pathEnd);
    let node = this.index.find(this.encodedPath);
    if (node === 0) {
      const parent = this.index.findParent(this.encodedPath);
      if (parent === 0) {
        throw new Error(`${this.encodedPath.text} comes without its parent`);
      }
      const slot = this.acls.takeByIdWords(readInt(bytes, tail), readInt(bytes, tail + 4));
      node = this.#addLoaded(parent, data, slot);
    } else {
      this.acls.release(this.nodes.int(node, Row.aclSlot));
      this.nodes.setInt(node, Row.aclSlot, this.acls.takeByIdWords(readInt(bytes, tail), readInt(bytes, tail + 4)));
      this.#replaceData(node, data, this.#crcOf(data));
    }
    const stat = tail + 8;
    const view = this.nodes.view(node);
    const row = this.nodes.offset(node);
    // Here, too, pzxid is the last field of the stat; the owner, which is the last but one, is left to #setOwner.
    copyWords(bytes, stat, view, row + Row.czxid, row + Row.pzxid);
    copyWords(bytes, stat + 16, view, row + Row.ctimeMs, row + Row.owner);
    copyWords(bytes, stat + 52, view, row + Row.pzxid, row + Row.ctimeMs);
    const ownerHigh = readInt(bytes, stat + 44);
    const ownerLow = readInt(bytes, stat + 48);
    this.#setOwner(node, ownerHigh === 0 && ownerLow === 0 ? 0n : (BigInt(ownerHigh) << 32n) | BigInt(ownerLow >>> 0));
    this.#statChanged(node);
  }

  /** Small data are gone over once: their CRC goes on from that of the path, and nobody needs it by itself. */
  #addLoaded(parent: NodeId, data: Uint8Array | null, aclSlot: number): NodeId {
    const isApart = data !== null && isShared(data);
    const dataCrc = isApart ? dataCrcOf(data) : 0;
    const node = this.#add(parent, data, dataCrc, aclSlot);
    if (isApart) {
      this.#contentChanged(node, dataCrc);
    } else if (this.#digestEnabled) {
      const { crc } = this.encodedPath;
      this.nodes.setInt(node, Row.contentCrc, data === null ? crc : crc32(data, 0, data.length, crc));
    }
    return node;
  }

  /** After the last node of a snapshot, before transactions: drops unused ACLs and counts quotas anew. */
  finishLoading(): void {
    this.acls.finishLoading();
    this.quota.reload();
  }

  /** A walk over the nodes that stays right while the tree changes. */
  walk(sinceZxid: number): TreeWalk {
    return new TreeWalk(this.nodes, sinceZxid, this.#walks);
  }

  /** Appends a node as a snapshot has it: path, data, ACL id (another one if it is given), stat. */
  writeNode(node: NodeId, writer: JuteWriter, aclId: bigint = this.aclId(node)): void {
    this.content.writePath(node, writer);
    this.content.writeData(node, writer);
    writer.long(aclId);
    const view = this.nodes.view(node);
    const row = this.nodes.offset(node);
    // The stat's fields in a snapshot's order: there pzxid comes last.
    writeWords(writer, view, row + Row.czxid, row + Row.pzxid);
    writeWords(writer, view, row + Row.ctimeMs, row + Row.contentCrc);
    writeWords(writer, view, row + Row.pzxid, row + Row.ctimeMs);
  }
}

function readInt(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}

/** Fills view[start, end) from bytes[from …]. */
function copyWords(bytes: Uint8Array, from: number, view: DataView, start: number, end: number): void {
  const shift = from - start;
  for (let at = start; at < end; at += 4) {
    view.setInt32(at, readInt(bytes, at + shift));
  }
}

function writeWords(writer: JuteWriter, view: DataView, start: number, end: number): void {
  for (let at = start; at < end; at += 4) {
    writer.int(view.getInt32(at));
  }
}
