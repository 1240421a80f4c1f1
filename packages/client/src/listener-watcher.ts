import type { ToldWatcher } from './driver.ts';
import { toClient } from './rooted-path.ts';
import type { Watcher } from './session/types.ts';
import type { WatchEvent, WatchListener } from './types.ts';

/** A listener of views with one root as a watcher of the session. */
class ListenerWatcher implements ToldWatcher {
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

/** Of one session: one watcher for each listener and root, so that setting the same one twice is one watch. */
export class ListenerWatchers {
  readonly #watchers = new WeakMap<WatchListener, Map<string, Watcher>>();

  /** @param root of which the listener is told paths */
  of(listener: WatchListener, root: string): Watcher {
    let byRoot = this.#watchers.get(listener);
    if (byRoot === undefined) {
      byRoot = new Map();
      this.#watchers.set(listener, byRoot);
    }
    let watcher = byRoot.get(root);
    if (watcher === undefined) {
      watcher = new ListenerWatcher(root, listener);
      byRoot.set(root, watcher);
    }
    return watcher;
  }
}
