import type { Client, WatchListener } from '@treekeeper/client';
import { Bell } from './bell.ts';
import { patiently } from './events.ts';

/** What a one-shot watch is for. */
type Kind = 'data' | 'children';

/**
 * Somebody who waits for changes of nodes by one-shot watches. All who wait for the same through the same client share
 * one watch, and it does not outlive their patience: who only waits for some time, again and again, would otherwise
 * leave one behind each time, on a node that may never change.
 */
export class Vigil {
  readonly #client: Client;
  readonly #bell = new Bell();
  readonly #posts = new Set<Post>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** Reads, with a watch that rings for this one: `read` has to hand the listener on. Answers what it answers. */
  async look<T>(path: string, kind: Kind, read: (watch: WatchListener) => Promise<T>): Promise<T> {
    const post = postAt(this.#client, path, kind);
    this.#posts.add(post);
    post.enter(this.#bell);
    try {
      return await read(post.listener);
    } finally {
      post.watched();
    }
  }

  /** Fulfils at the next change. Ask before looking, so that no change is missed. */
  next(): Promise<void> {
    return this.#bell.next();
  }

  readonly ring = (): void => this.#bell.ring();

  /** Ends it; a watch that nobody needs any more stays for the next one, where there soon is one. */
  leave(): void {
    for (const post of this.#posts) {
      post.leave(this.#bell);
    }
    this.#posts.clear();
  }

  /** Ends it; watches that nobody needs any more are taken back, behind this call. */
  takeBack(): void {
    const posts = [...this.#posts];
    this.leave();
    for (const post of posts) {
      void post.takeBack();
    }
  }
}

/** Of each client; one that nobody waits at, and where no watch is, is not kept. */
const postsOf = new WeakMap<Client, Map<string, Post>>();

function postAt(client: Client, path: string, kind: Kind): Post {
  let posts = postsOf.get(client);
  if (posts === undefined) {
    posts = new Map();
    postsOf.set(client, posts);
  }
  const key = `${kind} ${path}`;
  let post = posts.get(key);
  if (post === undefined) {
    post = new Post(client, path, kind, posts, key);
    posts.set(key, post);
  }
  return post;
}

/** A node that is waited at, with its one listener. */
class Post {
  readonly #client: Client;
  readonly #path: string;
  readonly #kind: Kind;
  readonly #posts: Map<string, Post>;
  readonly #key: string;
  readonly #bells = new Set<Bell>();
  /** The server may have our watch. */
  #isWatched = false;
  #isTakingBack = false;

  constructor(client: Client, path: string, kind: Kind, posts: Map<string, Post>, key: string) {
    this.#client = client;
    this.#path = path;
    this.#kind = kind;
    this.#posts = posts;
    this.#key = key;
  }

  /** Told of `removed` and `lost` as well: whoever waits looks again. */
  readonly listener: WatchListener = () => {
    this.#isWatched = false;
    for (const bell of this.#bells) {
      bell.ring();
    }
    this.#forget();
  };

  enter(bell: Bell): void {
    this.#bells.add(bell);
  }

  watched(): void {
    this.#isWatched = true;
  }

  leave(bell: Bell): void {
    this.#bells.delete(bell);
    this.#forget();
  }

  /** Requests are done in their order: a watch set behind the removal stays, and who loses one to it is told. */
  async takeBack(): Promise<void> {
    if (this.#isTakingBack) {
      return;
    }
    this.#isTakingBack = true;
    while (this.#isWatched && this.#bells.size === 0) {
      this.#isWatched = false;
      // NO_WATCHER: there is none; or the session has ended for good, and its watches with it.
      await this.#client.removeWatches(this.#path, this.#kind, patiently(this.#client)).catch(() => undefined);
    }
    this.#isTakingBack = false;
    this.#forget();
  }

  #forget(): void {
    const isNeeded = this.#bells.size > 0 || this.#isWatched || this.#isTakingBack;
    if (!isNeeded && this.#posts.get(this.#key) === this) {
      this.#posts.delete(this.#key);
    }
  }
}
