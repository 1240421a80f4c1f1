/**
 * What the tree will be when everything proposed has been applied: an overlay of changed nodes over the tree. Writes
 * are prepared against it, so that a pipeline of writes needs no waiting. Single-threaded: one preparation at a time.
 *
 * Every write passes through here, so nothing is made anew that can be used again: the nodes come from a pool and are
 * changed in place, and what they were is kept for a rollback in a journal whose entries are used again too.
 */
import type { ACL, Id } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import type { PendingNode, Preparation, Reconfiguration, World } from '../operations/operation.ts';
import { contentCrc, type DigestSum, nodeDigest } from '../tree/digest.ts';
import { Fifo } from './fifo.ts';

/** A session that ends may change thousands of nodes at once: what is kept for later is bounded. */
const POOLED_NODES_MAX = 4096;
const JOURNAL_ENTRIES_KEPT_MAX = 1024;
const NO_ACL: readonly ACL[] = [];

class Overlaid implements PendingNode {
  path = '';
  exists = false;
  czxid = 0;
  mzxid = 0;
  pzxid = 0;
  ctimeMs = 0;
  mtimeMs = 0;
  version = 0;
  cversion = 0;
  aversion = 0;
  owner = 0n;
  childCount = 0;
  acl: readonly ACL[] = NO_ACL;
  dataLength = 0;
  contentCrc = 0;
  /** Its share in the digest of the tree to be. */
  digest = 0;
  /** The last transaction that changed it: once that is applied the tree says the same. 0: it is not in the overlay. */
  zxid = 0;

  copyFrom(other: Overlaid): void {
    this.path = other.path;
    this.exists = other.exists;
    this.czxid = other.czxid;
    this.mzxid = other.mzxid;
    this.pzxid = other.pzxid;
    this.ctimeMs = other.ctimeMs;
    this.mtimeMs = other.mtimeMs;
    this.version = other.version;
    this.cversion = other.cversion;
    this.aversion = other.aversion;
    this.owner = other.owner;
    this.childCount = other.childCount;
    this.acl = other.acl;
    this.dataLength = other.dataLength;
    this.contentCrc = other.contentCrc;
    this.digest = other.digest;
    this.zxid = other.zxid;
  }
}

interface JournalEntry {
  node: Overlaid;
  readonly before: Overlaid;
}

/** Counts changes as they come and go, for the metrics. */
export interface PendingTallies {
  readonly queued: { value: number };
  readonly removed: { value: number };
}

export class PendingChanges implements Preparation {
  readonly world: World;
  sessionId = 0n;
  identities: readonly Id[] = [];
  zxid = 0;
  timeMs = 0;
  readonly txnBytesMax: number;
  readonly reconfiguration: Reconfiguration | null;
  /** Digest of the tree as it will be; kept only when digests are on. */
  readonly digest: DigestSum;
  /** Of the transaction in the making: `applied` wants to know it. */
  changeCount = 0;
  readonly #digestEnabled: boolean;
  readonly #tallies: PendingTallies;
  readonly #overlay = new Map<string, Overlaid>();
  /** Paths in the overlay by owner, for the end of a session: thousands may end in one turn. */
  readonly #owned = new Map<bigint, Set<string>>();
  /** Nodes in the order in which they were changed, to leave the overlay in that order. */
  readonly #changed = new Fifo<Overlaid>();
  /** Changes of the preparation under way, for rollback. */
  readonly #journal: JournalEntry[] = [];
  #journalLength = 0;
  /** Whether the journal has all that the preparation under way has changed. */
  #isRevocable = true;
  readonly #pool: Overlaid[] = [];
  /** Handed out during the preparation under way; those that did not get into the overlay go back to the pool. */
  readonly #lent: Overlaid[] = [];

  constructor(
    world: World,
    digestEnabled: boolean,
    txnBytesMax: number,
    tallies: PendingTallies,
    reconfiguration: Reconfiguration | null,
  ) {
    this.txnBytesMax = txnBytesMax;
    this.reconfiguration = reconfiguration;
    this.#tallies = tallies;
    this.world = world;
    this.#digestEnabled = digestEnabled;
    this.digest = world.tree.copyDigest();
  }

  /** Changes proposed and not applied. */
  get length(): number {
    return this.#changed.length;
  }

  /** Begins the preparation of the transaction `zxid`. */
  begin(sessionId: bigint, identities: readonly Id[], zxid: number, timeMs: number): void {
    this.sessionId = sessionId;
    this.identities = identities;
    this.zxid = zxid;
    this.timeMs = timeMs;
    this.changeCount = 0;
    this.#journalLength = 0;
    this.#isRevocable = true;
    if (this.#journal.length > JOURNAL_ENTRIES_KEPT_MAX) {
      this.#journal.length = 0;
    }
  }

  /** The preparation is over: nothing that was handed out during it is used any more. */
  end(): void {
    for (let node = this.#lent.pop(); node !== undefined; node = this.#lent.pop()) {
      if (node.zxid === 0) {
        this.#takeBack(node);
      }
    }
  }

  #takeBack(node: Overlaid): void {
    if (this.#pool.length < POOLED_NODES_MAX) {
      this.#pool.push(node);
    }
  }

  node(path: string): PendingNode | null {
    const overlaid = this.#overlay.get(path);
    if (overlaid !== undefined) {
      return overlaid.exists ? overlaid : null;
    }
    const { tree } = this.world;
    const id = tree.find(path);
    if (id === 0) {
      return null;
    }
    const node = this.#lend(path);
    node.exists = true;
    node.czxid = tree.czxid(id);
    node.mzxid = tree.mzxid(id);
    node.pzxid = tree.pzxid(id);
    node.ctimeMs = tree.ctimeMs(id);
    node.mtimeMs = tree.mtimeMs(id);
    node.version = tree.version(id);
    node.cversion = tree.cversion(id);
    node.aversion = tree.aversion(id);
    node.owner = tree.owner(id);
    node.childCount = tree.childCount(id);
    node.acl = tree.acl(id);
    node.dataLength = tree.dataLength(id);
    node.contentCrc = tree.contentCrc(id);
    node.digest = tree.nodeDigest(id);
    return node;
  }

  /** A node of that path, otherwise as its last user left it. */
  #lend(path: string): Overlaid {
    const node = this.#pool.pop() ?? new Overlaid();
    node.path = path;
    node.zxid = 0;
    this.#lent.push(node);
    return node;
  }

  edit(node: PendingNode): PendingNode {
    const overlaid = node as Overlaid; // there are no others: all come from `node` and `add`
    if (this.#journalLength === this.#journal.length) {
      this.#journal.push({ node: overlaid, before: new Overlaid() });
    }
    const entry = this.#journal[this.#journalLength++];
    entry.node = overlaid;
    entry.before.copyFrom(overlaid);
    return overlaid;
  }

  add(path: string): PendingNode {
    let node = this.#overlay.get(path); // one that has been removed may still be here
    if (node === undefined) {
      node = this.#lend(path);
      node.exists = false;
      node.digest = 0;
    }
    this.edit(node);
    node.exists = true;
    node.czxid = node.mzxid = node.pzxid = this.zxid;
    node.ctimeMs = node.mtimeMs = this.timeMs;
    node.version = node.cversion = node.aversion = 0;
    node.childCount = 0;
    return node;
  }

  put(node: PendingNode): void {
    const { before } = this.#journal[this.#journalLength - 1];
    this.#changeTo(node as Overlaid, before.zxid === 0 ? 0n : ownerOf(before));
  }

  /** The node is as it will be. `formerOwner`: under which the overlay has it. */
  #changeTo(overlaid: Overlaid, formerOwner: bigint): void {
    if (this.#digestEnabled) {
      const digest = digestOf(overlaid);
      // Two unsigned 32-bit values: their difference is exact.
      this.digest.add(digest - overlaid.digest);
      overlaid.digest = digest;
    }
    if (overlaid.zxid === 0) {
      this.#overlay.set(overlaid.path, overlaid);
    }
    overlaid.zxid = this.zxid;
    this.#ownerChanged(overlaid.path, formerOwner, ownerOf(overlaid));
    this.#changed.push(overlaid);
    this.changeCount++;
    this.#tallies.queued.value++;
  }

  remove(node: PendingNode): void {
    const removed = this.edit(node);
    (removed as Overlaid).exists = false;
    this.put(removed);
  }

  discard(path: string): boolean {
    this.#isRevocable = false;
    const overlaid = this.#overlay.get(path);
    if (overlaid !== undefined) {
      if (overlaid.exists) {
        this.remove(overlaid);
        return true;
      }
      return false;
    }
    const { tree } = this.world;
    const id = tree.find(path);
    if (id === 0) {
      return false;
    }
    const node = this.#lend(path);
    node.exists = false;
    node.digest = tree.nodeDigest(id);
    this.#changeTo(node, 0n);
    return true;
  }

  contentCrc(path: string, dataCrc: number, dataLength: number): number {
    return this.#digestEnabled ? contentCrc(path, dataCrc, dataLength) : 0;
  }

  #ownerChanged(path: string, before: bigint, after: bigint): void {
    if (before === after) {
      return;
    }
    const former = before === 0n ? undefined : this.#owned.get(before);
    if (former?.delete(path) === true && former.size === 0) {
      this.#owned.delete(before);
    }
    if (after !== 0n) {
      const paths = this.#owned.get(after);
      if (paths === undefined) {
        this.#owned.set(after, new Set([path]));
      } else {
        paths.add(path);
      }
    }
  }

  /** Those in the tree that will still be there and still be the session's, and those on their way. */
  ephemeralsOf(sessionId: bigint): string[] {
    const paths = this.world.tree.ephemeralsOf(sessionId).filter((path) => !this.#overlay.has(path));
    const owned = this.#owned.get(sessionId);
    return owned === undefined ? paths : [...paths, ...owned];
  }

  mark(): number {
    return this.#journalLength;
  }

  rollback(mark: number): void {
    assert(this.#isRevocable, 'a preparation that has discarded nodes is not rolled back');
    while (this.#journalLength > mark) {
      const { node, before } = this.#journal[--this.#journalLength];
      this.digest.add(before.digest - node.digest);
      this.#ownerChanged(node.path, ownerOf(node), before.zxid === 0 ? 0n : ownerOf(before));
      node.copyFrom(before);
      if (node.zxid === 0) {
        this.#overlay.delete(node.path);
      }
    }
  }

  /** Everything through `zxid`, which made `changeCount` changes, is in the tree: they are no longer needed here. */
  applied(zxid: number, changeCount: number): void {
    for (let i = 0; i < changeCount; i++) {
      const node = this.#changed.shift() as Overlaid;
      // Not if it was rolled back, has gone already (changed twice by one transaction), or has changed since.
      if (node.zxid !== 0 && node.zxid <= zxid) {
        this.#ownerChanged(node.path, ownerOf(node), 0n);
        this.#overlay.delete(node.path);
        node.zxid = 0;
        this.#takeBack(node);
      }
    }
    this.#tallies.removed.value += changeCount;
  }
}

function ownerOf(node: Overlaid): bigint {
  return node.exists ? node.owner : 0n;
}

function digestOf(node: Overlaid): number {
  return node.exists
    ? nodeDigest(
        node.path,
        node.contentCrc,
        node.czxid,
        node.mzxid,
        node.pzxid,
        node.ctimeMs,
        node.mtimeMs,
        node.version,
        node.cversion,
        node.aversion,
        node.owner,
      )
    : 0;
}
