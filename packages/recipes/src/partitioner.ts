/** Items divided among the members of a group: each has one owner at a time. */
import { createHash } from 'node:crypto';
import { type Client, isTreekeeperError } from '@treekeeper/client';
import type { Hold } from './hold.ts';
import { Lock } from './lock.ts';
import { Membership } from './membership.ts';
import { join } from './paths.ts';
import { isFinal, throughSessions } from './renewal.ts';

/** An item that is one's own. */
export interface Ownership {
  readonly item: string;
  /** Fires when it goes to another member, or might have gone: end soon then. The next owner waits for that. */
  readonly signal: AbortSignal;
  /** Token and guarded writes. */
  readonly hold: Hold;
}

/** Options of `Partitioner`. */
export interface PartitionerOptions {
  /**
   * This member's name, unique in the group and the same across restarts: what an earlier run has left, killed and not
   * yet timed out, is taken over at once. Another run under the name that still lives ends with LOST.
   */
  readonly id: string;
  /** The same for all members; names of nodes. */
  readonly items: readonly string[];
}

/**
 * Divides items (shards, accounts, devices) among those who take part; divides anew when somebody comes or goes, and
 * then moves no item that need not move. An item has one owner at a time: the next one begins when the last one has
 * finished with it, or its session is gone. Each ownership is a Hold, with a signal, a token and guarded writes.
 *
 * On disconnect the holds are lost; when the connection is back, the items are asked for again. On expiry or crash the
 * others get them.
 *
 * @example
 * ```ts
 * const partitioner = new Partitioner(client, '/partitions', { id: 'a', items: ['one', 'two'] });
 * const stop = new AbortController();
 * const owned: string[] = [];
 * await partitioner.run(async ({ item }) => {
 *   if (owned.push(item) === 2) {
 *     stop.abort();
 *   }
 * }, { signal: stop.signal });
 * console.assert(owned.length === 2);
 * ```
 */
export class Partitioner {
  readonly #client: Client;
  readonly #path: string;
  readonly #id: string;
  readonly #items: readonly string[];

  constructor(client: Client, path: string, { id, items }: PartitionerOptions) {
    this.#client = client;
    this.#path = path;
    this.#id = id;
    this.#items = items;
  }

  /**
   * Takes part until the signal fires; then gives up everything and fulfils. `own` is called for each item that
   * becomes this member's; the item stays its own after `own` has ended, until it goes to another. Rejects with what
   * `own` throws; with LOST when its membership is ended by others: an operator who removes the node, another run of
   * the same name; with SESSION_EXPIRED when the client is at its end. Every item is given up before. Giving up needs
   * the servers: while none answers it waits, until they do or the client is at its end.
   *
   * @example
   * ```ts
   * const partitioner = new Partitioner(client, '/parts', { id: 'a', items: ['x'] });
   * const stop = new AbortController();
   * await partitioner.run(async ({ item, hold }) => {
   *   await hold.guarded.create(`/owner-of-${item}`, 'a');
   *   stop.abort();
   * }, { signal: stop.signal });
   * ```
   */
  async run(own: (ownership: Ownership) => Promise<void>, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const group = new Membership(this.#client, join(this.#path, 'members'));
    const failed = new AbortController();
    const fail = (error: unknown): void => failed.abort({ error });
    await using members = await group.members();
    await using self = await group.join(this.#id, '');
    self.signal.addEventListener('abort', () => this.#isAtEnd || fail(self.signal.reason), { once: true });
    const ended = AbortSignal.any([signal, failed.signal]);
    ended.addEventListener('abort', () => void members.close(), { once: true });
    const shares = new Map<string, AbortController>();
    const running = new Set<Promise<void>>();
    try {
      for await (const present of ended.aborted ? [] : members) {
        for (const item of this.#items) {
          const isMine = ownerOf(item, [...present.keys()]) === this.#id;
          const known = shares.get(item);
          if (isMine && known === undefined) {
            const stop = new AbortController();
            shares.set(item, stop);
            const share = this.#own(item, own, stop.signal)
              .catch(fail)
              .finally(() => running.delete(share));
            running.add(share);
          } else if (!isMine && known !== undefined) {
            known.abort();
            shares.delete(item);
          }
        }
      }
    } catch (error) {
      fail(error);
    }
    for (const stop of shares.values()) {
      stop.abort();
    }
    await Promise.all(running);
    if (failed.signal.aborted) {
      throw (failed.signal.reason as { readonly error: unknown }).error;
    }
  }

  /** Then the end of the membership is no news: the members end, with what has ended the client. */
  get #isAtEnd(): boolean {
    return isFinal(this.#client, this.#client.state);
  }

  /** Holds an item until it is to be given up; again, when it is lost meanwhile. */
  async #own(item: string, own: (ownership: Ownership) => Promise<void>, stop: AbortSignal): Promise<void> {
    const lock = new Lock(this.#client, join(join(this.#path, 'items'), item), { identity: this.#id });
    while (!stop.aborted) {
      try {
        await using hold = await throughSessions(this.#client, () => lock.acquire({ signal: stop, data: this.#id }));
        const signal = AbortSignal.any([stop, hold.signal]);
        await own({ item, hold, signal });
        await fired(signal);
      } catch (error) {
        if (!stop.aborted || !isTreekeeperError(error, 'ABORTED')) {
          throw error;
        }
      }
    }
  }
}

async function fired(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }
}

/** Rendezvous hashing: an item goes to the member with the highest score; others' coming and going does not move it. */
export function ownerOf(item: string, members: readonly string[]): string | null {
  let best: { readonly member: string; readonly score: string } | null = null;
  for (const member of members) {
    const score = createHash('sha1').update(`${member}\0${item}`).digest('hex');
    if (best === null || score > best.score || (score === best.score && member < best.member)) {
      best = { member, score };
    }
  }
  return best?.member ?? null;
}
