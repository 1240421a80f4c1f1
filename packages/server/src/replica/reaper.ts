/**
 * Removes containers that have lost their last child and TTL nodes whose time is over (client-protocol.md §5.5), evenly
 * spaced, by ordinary transactions of the server's own.
 */
import { ttlOfOwner } from '@treekeeper/protocol';
import type { DataTree } from '../tree/data-tree.ts';

export interface ReaperOptions {
  readonly checkIntervalMs: number;
  readonly maxPerMinute: number;
  /** A container that never had a child goes after this; 0: never. */
  readonly maxNeverUsedIntervalMs: number;
}

/** A node whose time has come. */
interface Due {
  readonly path: string;
  readonly isTtl: boolean;
}

export class Reaper {
  readonly #tree: DataTree;
  readonly #options: ReaperOptions;
  readonly #remove: (path: string, isTtl: boolean) => void;
  #due: Due[] = [];
  #nextCheckMs: number;
  #nextRemovalMs = 0;

  constructor(tree: DataTree, options: ReaperOptions, nowMs: number, remove: (path: string, isTtl: boolean) => void) {
    this.#tree = tree;
    this.#options = options;
    this.#remove = remove;
    this.#nextCheckMs = nowMs + options.checkIntervalMs;
  }

  /** Looks for what is due when it is time to, and removes as many as the pace allows. */
  tick(nowMs: number, wallMs: number): void {
    if (nowMs >= this.#nextCheckMs) {
      this.#nextCheckMs = nowMs + this.#options.checkIntervalMs;
      if (this.#due.length === 0) {
        this.#due = this.#candidates(wallMs);
        this.#nextRemovalMs = nowMs;
      }
    }
    const spacingMs = 60_000 / this.#options.maxPerMinute;
    while (this.#due.length > 0 && nowMs >= this.#nextRemovalMs) {
      this.#nextRemovalMs += spacingMs;
      const { path, isTtl } = this.#due.pop() as Due;
      // Much may have happened since it was found; what is on its way is looked at when the removal is prepared.
      if (this.#isDue(path, wallMs)) {
        this.#remove(path, isTtl);
      }
    }
  }

  #candidates(wallMs: number): Due[] {
    const tree = this.#tree;
    const due: Due[] = [];
    for (const path of tree.containers()) {
      if (this.#isDue(path, wallMs)) {
        due.push({ path, isTtl: false });
      }
    }
    for (const path of tree.ttlNodes()) {
      if (this.#isDue(path, wallMs)) {
        due.push({ path, isTtl: true });
      }
    }
    return due;
  }

  #isDue(path: string, wallMs: number): boolean {
    const tree = this.#tree;
    const node = tree.find(path);
    if (node === 0 || tree.childCount(node) > 0) {
      return false;
    }
    const idleMs = wallMs - tree.mtimeMs(node);
    switch (tree.ownerKind(node)) {
      case 'container': {
        const { maxNeverUsedIntervalMs } = this.#options;
        return tree.cversion(node) > 0 || (maxNeverUsedIntervalMs > 0 && idleMs > maxNeverUsedIntervalMs);
      }
      case 'ttl':
        return idleMs > ttlOfOwner(tree.owner(node));
      default:
        return false;
    }
  }
}
