/**
 * What the tree will be when everything proposed has been applied: an overlay of changed nodes over the tree. Writes
 * are prepared against it, so that a pipeline of writes needs no waiting. Single-threaded: one preparation at a time.
 */
import type { Id } from '@treekeeper/protocol';
import type { PendingNode, Preparation, World } from '../operations/operation.ts';
import { contentCrc, nodeDigest } from '../tree/digest.ts';

interface Overlaid {
  readonly node: PendingNode;
  /** The transaction that put it here; once that is applied the tree says the same. */
  readonly zxid: number;
}

interface JournalEntry {
  readonly path: string;
  readonly previous: Overlaid | undefined;
  readonly digestBefore: bigint;
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
  /** Digest of the tree as it will be; kept only when digests are on. */
  digest: bigint;
  readonly #digestEnabled: boolean;
  readonly #tallies: PendingTallies;
  readonly #overlay = new Map<string, Overlaid>();
  /** Paths in the overlay by owner, for the end of a session: thousands may end in one turn. */
  readonly #owned = new Map<bigint, Set<string>>();
  /** Paths in the order in which they were changed, to be dropped from the overlay in that order. */
  #changed: { path: string; zxid: number }[] = [];
  #changedHead = 0;
  /** Changes of the preparation under way, for rollback. */
  readonly #journal: JournalEntry[] = [];

  constructor(world: World, digestEnabled: boolean, txnBytesMax: number, tallies: PendingTallies) {
    this.txnBytesMax = txnBytesMax;
    this.#tallies = tallies;
    this.world = world;
    this.#digestEnabled = digestEnabled;
    this.digest = world.tree.digest;
  }

  /** Begins the preparation of the transaction `zxid`. */
  begin(sessionId: bigint, identities: readonly Id[], zxid: number, timeMs: number): void {
    this.sessionId = sessionId;
    this.identities = identities;
    this.zxid = zxid;
    this.timeMs = timeMs;
    this.#journal.length = 0;
  }

  node(path: string): PendingNode | null {
    const overlaid = this.#overlay.get(path);
    if (overlaid !== undefined) {
      return overlaid.node.exists ? overlaid.node : null;
    }
    return this.#fromTree(path);
  }

  #fromTree(path: string): PendingNode | null {
    const { tree } = this.world;
    const node = tree.find(path);
    if (node === 0) {
      return null;
    }
    return {
      path,
      exists: true,
      czxid: tree.czxid(node),
      mzxid: tree.mzxid(node),
      pzxid: tree.pzxid(node),
      ctimeMs: tree.ctimeMs(node),
      mtimeMs: tree.mtimeMs(node),
      version: tree.version(node),
      cversion: tree.cversion(node),
      aversion: tree.aversion(node),
      owner: tree.owner(node),
      childCount: tree.childCount(node),
      acl: tree.acl(node),
      dataLength: tree.dataLength(node),
      contentCrc: tree.contentCrc(node),
    };
  }

  put(node: PendingNode): void {
    this.#replace(node);
  }

  remove(node: PendingNode): void {
    this.#replace({ ...node, exists: false });
  }

  #replace(node: PendingNode): void {
    const { path } = node;
    const previous = this.#overlay.get(path);
    this.#journal.push({ path, previous, digestBefore: this.digest });
    if (this.#digestEnabled) {
      const before = this.node(path);
      // Two unsigned 32-bit values: their difference is exact.
      const difference = digestOf(node) - (before === null ? 0 : digestOf(before));
      this.digest = BigInt.asIntN(64, this.digest + BigInt(difference));
    }
    this.#overlayWith(path, previous, { node, zxid: this.zxid });
    this.#changed.push({ path, zxid: this.zxid });
    this.#tallies.queued.value++;
  }

  contentCrc(path: string, data: Uint8Array | null): number {
    return this.#digestEnabled ? contentCrc(path, data) : 0;
  }

  #overlayWith(path: string, previous: Overlaid | undefined, next: Overlaid | undefined): void {
    const before = ownerOf(previous);
    const after = ownerOf(next);
    if (before !== after) {
      this.#disown(before, path);
      if (after !== 0n) {
        const paths = this.#owned.get(after);
        if (paths === undefined) {
          this.#owned.set(after, new Set([path]));
        } else {
          paths.add(path);
        }
      }
    }
    if (next === undefined) {
      this.#overlay.delete(path);
    } else {
      this.#overlay.set(path, next);
    }
  }

  #disown(owner: bigint, path: string): void {
    const paths = owner === 0n ? undefined : this.#owned.get(owner);
    if (paths?.delete(path) === true && paths.size === 0) {
      this.#owned.delete(owner);
    }
  }

  /** Those in the tree that will still be there and still be the session's, and those on their way. */
  ephemeralsOf(sessionId: bigint): string[] {
    const paths = this.world.tree.ephemeralsOf(sessionId).filter((path) => !this.#overlay.has(path));
    const owned = this.#owned.get(sessionId);
    return owned === undefined ? paths : [...paths, ...owned];
  }

  mark(): number {
    return this.#journal.length;
  }

  rollback(mark: number): void {
    while (this.#journal.length > mark) {
      const { path, previous, digestBefore } = this.#journal.pop() as JournalEntry;
      this.#overlayWith(path, this.#overlay.get(path), previous);
      this.digest = digestBefore;
    }
  }

  /** Everything through `zxid` has been applied to the tree: what it put here is no longer needed. */
  applied(zxid: number): void {
    const changed = this.#changed;
    while (this.#changedHead < changed.length && changed[this.#changedHead].zxid <= zxid) {
      const { path } = changed[this.#changedHead++];
      this.#tallies.removed.value++;
      const overlaid = this.#overlay.get(path);
      if (overlaid !== undefined && overlaid.zxid <= zxid) {
        this.#overlayWith(path, overlaid, undefined);
      }
    }
    if (this.#changedHead === changed.length) {
      this.#changed = [];
      this.#changedHead = 0;
    }
  }
}

function ownerOf(overlaid: Overlaid | undefined): bigint {
  return overlaid?.node.exists === true ? overlaid.node.owner : 0n;
}

function digestOf(node: PendingNode): number {
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
