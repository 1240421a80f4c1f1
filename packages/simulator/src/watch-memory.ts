/** The watches that a client has set and not seen fire: what it sets again when it comes back with its session. */
import { AddWatchMode, ErrorNumber, EventType } from '@treekeeper/protocol';
import type { WatchLists } from './model/watches.ts';
import type { ClientRequest } from './requests.ts';

export class WatchMemory {
  readonly #data = new Set<string>();
  readonly #exist = new Set<string>();
  readonly #child = new Set<string>();
  readonly #persistent = new Set<string>();
  readonly #recursive = new Set<string>();

  clear(): void {
    for (const paths of [this.#data, this.#exist, this.#child, this.#persistent, this.#recursive]) {
      paths.clear();
    }
  }

  /** A request has been answered: perhaps a watch is set now. */
  answered(request: ClientRequest, err: number): void {
    if (request.kind === 'addWatch' && err === 0) {
      (request.mode === AddWatchMode.persistent ? this.#persistent : this.#recursive).add(request.path);
    } else if ('watch' in request && request.watch) {
      if (request.kind === 'exists' && err === ErrorNumber.NO_NODE) {
        this.#exist.add(request.path);
      } else if (err === 0) {
        const isOfData = request.kind === 'exists' || request.kind === 'getData';
        (isOfData ? this.#data : this.#child).add(request.path);
      }
    }
  }

  fired(type: number, path: string): void {
    if (type === EventType.nodeChildrenChanged) {
      this.#child.delete(path);
      return;
    }
    this.#data.delete(path);
    this.#exist.delete(path);
    if (type === EventType.nodeDeleted) {
      this.#child.delete(path);
    }
  }

  /** Null when there are none. */
  lists(relativeZxid: number): WatchLists | null {
    const lists = {
      relativeZxid,
      data: [...this.#data],
      exist: [...this.#exist],
      child: [...this.#child],
      persistent: [...this.#persistent],
      recursive: [...this.#recursive],
    };
    const count = this.#data.size + this.#exist.size + this.#child.size + this.#persistent.size + this.#recursive.size;
    return count === 0 ? null : lists;
  }
}
