/**
 * A seat in a queue: an ephemeral sequential node among its like. Locks, semaphores and elections are rules about who
 * of the seated may go; each waiter watches only the one it waits for, so that one departure wakes one waiter.
 */
import {
  type Client,
  type CreatedNode,
  isTreekeeperError,
  type SessionState,
  TreekeeperError,
} from '@treekeeper/client';
import { forever } from './forever.ts';
import { isOfIdentity, nameWith } from './identity.ts';
import { join, nameOf } from './paths.ts';
import { pause } from './repeat.ts';
import { inSequence } from './sequence.ts';

export interface SeatOptions {
  /** What the node's name begins with, behind the unique prefix: `lock-`. */
  readonly name: string;
  /** Shown to whoever looks: who sits there. */
  readonly data?: Uint8Array | string | undefined;
  /** Gives up. No node stays behind. */
  readonly signal?: AbortSignal | undefined;
  /** Who else in the directory takes part, by name. @default all sequential nodes */
  readonly isContender?: ((name: string) => boolean) | undefined;
  /** Ends the seats that earlier runs of the same program have left. */
  readonly identity?: string | undefined;
  /** What the names of its seats may begin with. @default `name` alone */
  readonly namesOfIdentity?: readonly string[] | undefined;
}

/** The one to wait for, of the seated in order; null: nobody, go. `me` is the own place in `order`. */
export type Turn = (order: readonly string[], me: number) => string | null;

export class Seat {
  readonly #client: Client;
  readonly #directory: string;
  readonly #isContender: ((name: string) => boolean) | undefined;
  readonly path: string;
  readonly name: string;
  /** The node's creation zxid: rises with every seat taken anywhere. */
  readonly token: bigint;
  readonly #sessionId: bigint;

  private constructor(client: Client, directory: string, options: SeatOptions, { path, stat }: CreatedNode) {
    this.#client = client;
    this.#directory = directory;
    this.#isContender = options.isContender;
    this.path = path;
    this.name = nameOf(path);
    this.token = stat.czxid;
    this.#sessionId = stat.ephemeralOwner;
  }

  /**
   * Takes a seat; the directory is made when it is missing. When the signal fires meanwhile, rejects with ABORTED at
   * once, and removes the node that may come to be nevertheless.
   */
  static async take(client: Client, directory: string, options: SeatOptions): Promise<Seat> {
    const { name, data = '', signal, identity, namesOfIdentity = [name] } = options;
    throwIfAborted(signal, directory);
    // The signal does not go with the call: an aborted create may still happen, and nobody would know its name.
    const created = client.create(join(directory, nameWith(identity, name)), data, {
      mode: 'ephemeral-sequential',
      protect: true,
      createParents: 'container',
      ...forever,
    });
    const node = await abortable(created, signal, directory, ({ path }) => remove(client, path));
    const seat = new Seat(client, directory, options, node);
    if (identity !== undefined) {
      await seat.#endEarlierRun(identity, namesOfIdentity, signal);
    }
    return seat;
  }

  async #endEarlierRun(identity: string, names: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    try {
      const ending = endEarlierRun(this.#client, this.#directory, identity, names, this.token);
      await abortable(ending, signal, this.#directory, () => undefined);
    } catch (error) {
      void this.leave();
      throw error;
    }
  }

  /** The names of all who are seated, in order. Rejects with SESSION_EXPIRED or NO_NODE when this one is not. */
  async order(signal?: AbortSignal): Promise<string[]> {
    const order = inSequence(await seatsIn(this.#client, this.#directory, signal), this.#isContender);
    if (!order.includes(this.name)) {
      throw this.#removal();
    }
    return order;
  }

  /**
   * Waits until the rule says go. Outlives lost connections. Rejects with ABORTED when the signal fires,
   * SESSION_EXPIRED when the session is gone, NO_NODE when somebody has removed the seat; leaves the seat each time.
   */
  async waitFor(turn: Turn, signal?: AbortSignal): Promise<void> {
    try {
      for (;;) {
        const order = await this.order(signal);
        const me = order.indexOf(this.name);
        const before = turn(order, me);
        if (before === null) {
          return;
        }
        const path = join(this.#directory, before);
        await this.whileSeated(signal, (either) => untilGone(this.#client, path, either));
      }
    } catch (error) {
      void this.leave();
      throw error;
    }
  }

  /**
   * Waits with a signal that fires also when the client has begun its next session: the seat has gone with the last
   * one, though watches go on. Rejects with SESSION_EXPIRED then.
   */
  async whileSeated<T>(signal: AbortSignal | undefined, wait: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const either = new AbortController();
    const onAbort = (): void => either.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const states = this.#client.states();
    void this.#untilSessionEnds(states, either);
    try {
      throwIfAborted(signal, this.path);
      return await wait(either.signal);
    } catch (error) {
      throw isTreekeeperError(error, 'ABORTED') && signal?.aborted !== true ? this.#removal() : error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      void states.return?.();
    }
  }

  async #untilSessionEnds(states: AsyncIterableIterator<SessionState>, either: AbortController): Promise<void> {
    for await (const _state of states) {
      if (this.#client.sessionId !== this.#sessionId) {
        either.abort();
      }
    }
  }

  /** A client that is in its next session by now says nothing of the end of the last one. */
  #removal(): TreekeeperError {
    return this.#client.sessionId === this.#sessionId
      ? new TreekeeperError('NO_NODE', { path: this.path, message: 'somebody has removed this seat' })
      : new TreekeeperError('SESSION_EXPIRED', { path: this.path });
  }

  /** Gives the seat up; never rejects. Goes on trying behind a lost connection, as long as the session lives. */
  leave(): Promise<void> {
    return remove(this.#client, this.path);
  }
}

/**
 * Removes the nodes of this identity that another session has made before `token`: later ones are those of the run
 * after this one, and what this session has made besides belongs to another holder in the same program.
 */
export async function endEarlierRun(
  client: Client,
  directory: string,
  identity: string,
  names: readonly string[],
  token: bigint,
): Promise<void> {
  for (const child of await seatsIn(client, directory)) {
    if (isOfIdentity(child, identity, ...names)) {
      const node = join(directory, child);
      const stat = await client.exists(node, forever);
      if (stat !== null && stat.ephemeralOwner !== client.sessionId && stat.czxid < token) {
        await remove(client, node);
      }
    }
  }
}

/** None where nobody has sat yet, or the directory has gone with the last seat. */
async function seatsIn(client: Client, directory: string, signal?: AbortSignal): Promise<readonly string[]> {
  try {
    return await client.children(directory, { ...forever, signal });
  } catch (error) {
    if (isTreekeeperError(error, 'NO_NODE')) {
      return [];
    }
    throw error;
  }
}

/** Removes a node for sure, or its session has ended and removed it. */
export async function remove(client: Client, path: string): Promise<void> {
  try {
    await client.delete(path, { idempotent: true, ...forever });
  } catch {
    // Gone already, or its session is: both is what was asked for.
  }
}

/**
 * Removes a node whose name another may take: only the one that was created by this zxid. Never rejects. Attempts that
 * were refused are not left to the client: by the next one the name may be another's, so each begins with a look.
 */
export async function removeOwn(client: Client, path: string, czxid: bigint): Promise<void> {
  try {
    for (let attempts = 1; ; attempts++) {
      const stat = await client.exists(path, forever);
      if (stat?.czxid !== czxid) {
        return;
      }
      try {
        return await client.delete(path, { version: stat.version, ...forever, retry: false });
      } catch (error) {
        const isSafe = isTreekeeperError(error) && error.retry === 'safe';
        if (!(isSafe || isTreekeeperError(error, 'BAD_VERSION') || isTreekeeperError(error, 'CONNECTION_LOSS'))) {
          throw error;
        }
        await (isSafe ? pause(attempts) : null);
      }
    }
  } catch {
    // Gone already, or its session is: both is what was asked for.
  }
}

/** Fulfils when there is no such node, or something else about it has changed: look again. */
export function untilGone(client: Client, path: string, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      // The watch would stay until the node goes; without others on the path it is taken back.
      void client.removeWatches(path, 'data').catch(() => undefined);
      reject(aborted(signal, path));
    };
    throwIfAborted(signal, path);
    signal?.addEventListener('abort', onAbort, { once: true });
    const done = (settle: () => void): void => {
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    client
      .get(path, {
        ...forever,
        watch: ({ type }) =>
          done(type === 'lost' ? () => reject(new TreekeeperError('SESSION_EXPIRED', { path })) : resolve),
      })
      .catch((error: unknown) => done(isTreekeeperError(error, 'NO_NODE') ? resolve : () => reject(error)));
  });
}

/** Rejects with ABORTED when the signal fires first, or has fired; `undo` then gets what came nevertheless. */
export async function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  path: string,
  undo: (value: T) => unknown,
): Promise<T> {
  if (signal === undefined) {
    return await promise;
  }
  let onAbort: () => void = () => undefined;
  const abort = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(aborted(signal, path));
    if (signal.aborted) {
      onAbort();
    }
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, abort]);
  } catch (error) {
    if (signal.aborted) {
      void promise.then(undo).catch(() => undefined);
    }
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

export function throwIfAborted(signal: AbortSignal | undefined, path: string): void {
  if (signal?.aborted === true) {
    throw aborted(signal, path);
  }
}

function aborted(signal: AbortSignal | undefined, path: string): TreekeeperError {
  return new TreekeeperError('ABORTED', { path, cause: signal?.reason });
}
