/**
 * What can be read of a tree. Nodes are named by ids, which `find` gives and which hold until the node is removed;
 * reads by id cost a memory access or two. Not checked: an id of no node makes nonsense.
 */
import type { ACL, EncodableStat, JuteWriter, OwnerKind, OwnerRules } from '@treekeeper/protocol';
import { AclTable } from './acl-table.ts';
import { DigestSum } from './digest.ts';
import { NodeContent } from './node-content.ts';
import { type NodeId, NodeTable, Row } from './node-table.ts';
import { OWNER_KINDS, OwnerIndex } from './owner-index.ts';
import { PathBytes } from './path-bytes.ts';
import { PathIndex } from './path-index.ts';
import type { QuotaTotals } from './quota.ts';

export abstract class ReadableTree {
  readonly ownerRules: OwnerRules;
  readonly acls: AclTable = new AclTable();
  protected readonly nodes: NodeTable = new NodeTable();
  protected readonly content: NodeContent = new NodeContent(this.nodes);
  protected readonly index: PathIndex = new PathIndex(this.content);
  protected readonly owners: OwnerIndex = new OwnerIndex(this.nodes);
  protected readonly digestSum: DigestSum = new DigestSum();
  /** The path looked up last. */
  protected readonly encodedPath: PathBytes = new PathBytes();
  /** ZooKeeper keeps the root under two names, "" and "/": the one character is counted. */
  protected dataSize = 1;
  readonly #stat = newStat();

  constructor(ownerRules: OwnerRules) {
    this.ownerRules = ownerRules;
  }

  /** Nodes, the four built-in ones included. */
  get nodeCount(): number {
    return this.nodes.count;
  }

  /** Lengths of all paths, in UTF-16 units, and of all data, in bytes. */
  get approximateDataSize(): number {
    return this.dataSize;
  }

  get ephemeralsCount(): number {
    return this.owners.ephemeralCount;
  }

  /** Version 2 of the tree digest (disk-format.md §4); 0 when digests are off. */
  get digest(): bigint {
    return this.digestSum.value;
  }

  /** The digest as it is now, to be compared or carried on. */
  copyDigest(): DigestSum {
    return this.digestSum.copy();
  }

  hasDigest(expected: DigestSum): boolean {
    return this.digestSum.equals(expected);
  }

  /** The node of exactly that path; "" and "/" are the root. 0 when there is none. */
  find(path: string): NodeId {
    this.encodedPath.encode(path);
    return this.index.find(this.encodedPath);
  }

  /** What a client sees (client-protocol.md §5.4), in an object that the next call fills anew. */
  stat(node: NodeId): EncodableStat {
    const nodes = this.nodes;
    const stat = this.#stat;
    stat.czxid = nodes.long(node, Row.czxid);
    stat.mzxid = nodes.long(node, Row.mzxid);
    stat.ctime = nodes.long(node, Row.ctimeMs);
    stat.mtime = nodes.long(node, Row.mtimeMs);
    stat.version = nodes.int(node, Row.version);
    stat.numChildren = nodes.int(node, Row.childCount);
    stat.cversion = (2 * nodes.int(node, Row.cversion) - stat.numChildren) | 0;
    stat.aversion = nodes.int(node, Row.aversion);
    stat.ephemeralOwner = this.ownerKind(node) === 'ephemeral' ? nodes.bigint(node, Row.owner) : 0n;
    stat.dataLength = this.dataLength(node);
    stat.pzxid = nodes.long(node, Row.pzxid);
    return stat;
  }

  /** A view of the data, valid until the next change of the tree. */
  data(node: NodeId): Uint8Array | null {
    return this.content.data(node);
  }

  /** Appends the data as a jute buffer: what `writer.buffer(tree.data(node))` does, without making a view. */
  writeData(node: NodeId, writer: JuteWriter): void {
    this.content.writeData(node, writer);
  }

  /** Null data have length 0. */
  dataLength(node: NodeId): number {
    return Math.max(0, this.nodes.int(node, Row.dataLength));
  }

  version(node: NodeId): number {
    return this.nodes.int(node, Row.version);
  }

  /** As persisted: creations of children. */
  cversion(node: NodeId): number {
    return this.nodes.int(node, Row.cversion);
  }

  aversion(node: NodeId): number {
    return this.nodes.int(node, Row.aversion);
  }

  childCount(node: NodeId): number {
    return this.nodes.int(node, Row.childCount);
  }

  czxid(node: NodeId): number {
    return this.nodes.long(node, Row.czxid);
  }

  mzxid(node: NodeId): number {
    return this.nodes.long(node, Row.mzxid);
  }

  pzxid(node: NodeId): number {
    return this.nodes.long(node, Row.pzxid);
  }

  ctimeMs(node: NodeId): number {
    return this.nodes.long(node, Row.ctimeMs);
  }

  mtimeMs(node: NodeId): number {
    return this.nodes.long(node, Row.mtimeMs);
  }

  /** The stored ephemeralOwner. */
  owner(node: NodeId): bigint {
    return this.nodes.bigint(node, Row.owner);
  }

  ownerKind(node: NodeId): OwnerKind {
    return OWNER_KINDS[this.nodes.int(node, Row.ownerKind)];
  }

  /** The same list is the same array, whichever nodes have it. */
  acl(node: NodeId): readonly ACL[] {
    return this.acls.list(this.nodes.int(node, Row.aclSlot));
  }

  /** The id of the node's ACL in a snapshot. */
  aclId(node: NodeId): bigint {
    return this.acls.id(this.nodes.int(node, Row.aclSlot));
  }

  /** CRC-32 of path ‖ data, the digest's input before the stat; 0 when digests are off. */
  contentCrc(node: NodeId): number {
    return this.nodes.crc(node, Row.contentCrc);
  }

  /** The node's share in the digest. */
  nodeDigest(node: NodeId): number {
    return this.nodes.crc(node, Row.digest);
  }

  /** 0 for the root. */
  parent(node: NodeId): NodeId {
    return this.nodes.int(node, Row.parent);
  }

  /** "/" for the root. */
  path(node: NodeId): string {
    return this.content.path(node);
  }

  /** "" for the root. */
  name(node: NodeId): string {
    return this.content.name(node);
  }

  /** Names of the children, in no particular order. */
  children(node: NodeId): string[] {
    const names: string[] = [];
    for (let child = this.firstChild(node); child !== 0; child = this.nodes.int(child, Row.nextSibling)) {
      names.push(this.content.name(child));
    }
    return names;
  }

  /** Appends the names of the children as a jute vector of ustrings, without making strings. */
  writeChildren(node: NodeId, writer: JuteWriter): void {
    writer.int(this.childCount(node));
    for (let child = this.firstChild(node); child !== 0; child = this.nodes.int(child, Row.nextSibling)) {
      this.content.writeName(child, writer);
    }
  }

  protected firstChild(node: NodeId): NodeId {
    return this.nodes.int(node, Row.firstChild);
  }

  /** Nodes below it, at any depth. */
  countDescendants(node: NodeId): number {
    return this.totals(node).count - 1;
  }

  protected totals(top: NodeId): QuotaTotals {
    const totals = { count: 0, bytes: 0 };
    for (let node = top; node !== 0; node = this.nodes.following(node, top)) {
      totals.count += 1;
      totals.bytes += this.dataLength(node);
    }
    return totals;
  }

  protected *pathsBelow(top: NodeId): Iterable<string> {
    for (let node = this.nodes.following(top, top); node !== 0; node = this.nodes.following(node, top)) {
      yield this.path(node);
    }
  }

  /** Paths of a session's ephemeral nodes. */
  ephemeralsOf(session: bigint): string[] {
    return Array.from(this.owners.ephemeralsOf(session), (node) => this.path(node));
  }

  /** Sessions that own at least one ephemeral node; do not change the tree meanwhile. */
  sessionsWithEphemerals(): Iterable<bigint> {
    return this.owners.sessions();
  }

  /** Paths of the container nodes; do not change the tree meanwhile. */
  *containers(): Iterable<string> {
    for (const node of this.owners.containers()) {
      yield this.path(node);
    }
  }

  /** Paths of the TTL nodes; do not change the tree meanwhile. */
  *ttlNodes(): Iterable<string> {
    for (const node of this.owners.ttlNodes()) {
      yield this.path(node);
    }
  }
}

function newStat(): { -readonly [K in keyof EncodableStat]: EncodableStat[K] } {
  return {
    czxid: 0,
    mzxid: 0,
    ctime: 0,
    mtime: 0,
    version: 0,
    cversion: 0,
    aversion: 0,
    ephemeralOwner: 0n,
    dataLength: 0,
    numChildren: 0,
    pzxid: 0,
  };
}
