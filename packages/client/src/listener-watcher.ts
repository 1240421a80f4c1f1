import type { ToldWatcher } from './driver.ts';
import { toClient } from './rooted-path.ts';
import type { WatchEvent, WatchListener } from './types.ts';

/** A listener of one view as a watcher of the session. */
export class ListenerWatcher implements ToldWatcher {
  readonly kind = 'watcher';
  readonly #root: string;
  readonly #listener: WatchListener;

  constructor(root: string, listener: WatchListener) {
    this.#root = root;
    this.#listener = listener;
  }

  tell(event: WatchEvent): void {
    try {
      this.#listener({ ...event, path: toClient(this.#root, event.path) });
    } catch (error) {
      // The program's fault is for the program to hear of; the session goes on.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/** One watcher for each listener, so that setting the same one twice is one watch. */
export class ListenerWatchers {
  readonly #root: string;
  readonly #watchers = new WeakMap<WatchListener, ListenerWatcher>();

  constructor(root: string) {
    this.#root = root;
  }

  of(listener: WatchListener): ListenerWatcher {
    const known = this.#watchers.get(listener);
    if (known !== undefined) {
      return known;
    }
    const watcher = new ListenerWatcher(this.#root, listener);
    this.#watchers.set(listener, watcher);
    return watcher;
  }
}
