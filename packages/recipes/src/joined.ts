import { type Client, type Codec, isTreekeeperError, type SessionState, type Stat } from '@treekeeper/client';
import { Bell } from './bell.ts';
import { RecipeError } from './errors.ts';
import { forever } from './forever.ts';
import { isFinal, throughSessions } from './renewal.ts';
import { abortable, removeOwn, throwIfAborted } from './seat.ts';

/** Options of `Membership.join`. */
export interface JoinOptions {
  /** Rejects with ABORTED, and no node stays behind. */
  readonly signal?: AbortSignal | undefined;
  /** False: rejects with NODE_EXISTS where the name is there already. @default true */
  readonly takeOver?: boolean | undefined;
}

/** `away`: the session has expired, and the client has no new one yet. */
export type JoinedState = 'joined' | 'away' | 'left' | 'lost';

/**
 * One's own membership. What the network does, does not end it: the node lives through lost connections, and is made
 * again in the client's next session, if the client begins one (`onExpired: 'new-session'`). What others do ends it: an
 * operator who removes the node, or another run that joins under the same name.
 *
 * @example
 * ```ts
 * const self = await new Membership(client, '/members/d').join('host-7', 'starting');
 * await self.update('ready');
 * await self.leave();
 * console.assert(isRecipeError(self.signal.reason, 'RELEASED')); // LOST: somebody else is host-7 now
 * ```
 */
export class Joined<T = string> implements AsyncDisposable {
  readonly #client: Client;
  readonly #path: string;
  readonly #codec: Codec<T>;
  readonly #controller = new AbortController();
  readonly #states: AsyncIterableIterator<SessionState>;
  /** The path of the node. */
  readonly node: string;
  /** Rung when it is joined again, or over. */
  readonly #settled = new Bell();
  #data: Uint8Array | null;
  #state: JoinedState = 'away';
  #isEntering = false;
  /** Of the node that is ours; 0n before there is one. */
  #czxid = 0n;
  #version = 0;
  #sessionId = 0n;
  #removed: Promise<void> | null = null;

  private constructor(client: Client, path: string, node: string, codec: Codec<T>, data: T) {
    this.#client = client;
    this.#path = path;
    this.node = node;
    this.#codec = codec;
    this.#data = codec.encode(data);
    this.#states = client.states();
  }

  /** See `Membership.join`. */
  static async enter<T>(
    client: Client,
    path: string,
    node: string,
    codec: Codec<T>,
    data: T,
    { signal, takeOver = true }: JoinOptions,
  ): Promise<Joined<T>> {
    throwIfAborted(signal, path);
    const joined = new Joined(client, path, node, codec, data);
    const entering = throughSessions(client, () => joined.#enter(takeOver));
    try {
      await abortable(entering, signal, path, () => joined.leave());
    } catch (error) {
      void joined.#states.return?.();
      throw error;
    }
    void joined.#followStates();
    return joined;
  }

  get state(): JoinedState {
    return this.#state;
  }

  /** Fires with a RecipeError: LOST when others have ended the membership, or the client; RELEASED after `leave`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Changes the data that others see; while `away` they are kept for the next session. Rejects with LOST, RELEASED.
   *
   * @example
   * ```ts
   * await using self = await new Membership(client, '/members/e').join('host-7', 'starting');
   * await self.update('ready');
   * ```
   */
  async update(data: T): Promise<void> {
    this.#data = this.#codec.encode(data);
    for (;;) {
      while (this.#isAway) {
        await this.#settled.next();
      }
      if (this.#isOver) {
        throw this.#controller.signal.reason;
      }
      try {
        const options = { version: this.#version, idempotent: true, ...forever };
        const { version } = await this.#client.set(this.node, this.#data, options);
        this.#version = version;
        return;
      } catch (error) {
        if (isTreekeeperError(error, 'SESSION_EXPIRED')) {
          if (!this.#isOver) {
            this.#state = 'away'; // until it is known whether another session follows
          }
        } else if (isTreekeeperError(error, 'NO_NODE') || isTreekeeperError(error, 'BAD_VERSION')) {
          this.#onNode(await this.#client.exists(this.node, forever));
        } else {
          throw error;
        }
      }
    }
  }

  /** Leaves the group. Fulfils when the node is gone; never rejects. Calling it again does nothing more. */
  leave(): Promise<void> {
    this.#end('left', new RecipeError('RELEASED', this.#path));
    return this.#removed ?? Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }

  get #isOver(): boolean {
    return this.#state === 'left' || this.#state === 'lost';
  }

  get #isAway(): boolean {
    return this.#state === 'away' || (!this.#isOver && this.#client.sessionId !== this.#sessionId);
  }

  async #followStates(): Promise<void> {
    for await (const state of this.#states) {
      if (isFinal(this.#client, state)) {
        this.#lose(`the session is ${state}`);
      } else if (state === 'expired') {
        this.#state = 'away';
      } else if (state === 'connected') {
        this.#onConnected();
      }
    }
  }

  #onConnected(): void {
    if (this.#client.sessionId !== this.#sessionId) {
      if (!this.#isEntering) {
        void this.#enterAgain();
      }
    } else if (this.#state === 'away') {
      this.#state = 'joined'; // it was the session before that had expired, while this one joined
      this.#settled.ring();
    }
  }

  async #enterAgain(): Promise<void> {
    try {
      await this.#enter(false);
    } catch (error) {
      if (isTreekeeperError(error, 'NODE_EXISTS')) {
        this.#lose('somebody else has its name now');
      } else if (!isTreekeeperError(error, 'SESSION_EXPIRED')) {
        this.#lose(`it could not be made again: ${String(error)}`);
      }
    }
  }

  /** Makes the node; what another session has left there goes in the same transaction, or is an error. */
  async #enter(takeOver: boolean): Promise<void> {
    this.#isEntering = true;
    try {
      const stat = await this.#create(takeOver);
      this.#czxid = stat.czxid;
      this.#version = stat.version;
      this.#sessionId = stat.ephemeralOwner;
    } finally {
      this.#isEntering = false;
    }
    if (this.#isOver) {
      await this.#remove(); // left meanwhile
      return;
    }
    this.#state = 'joined';
    this.#settled.ring();
    this.#look();
  }

  async #create(takeOver: boolean): Promise<Stat> {
    for (;;) {
      try {
        const options = { mode: 'ephemeral', createParents: 'container', ...forever } as const;
        return (await this.#client.create(this.node, this.#data, options)).stat;
      } catch (error) {
        const isThere = isTreekeeperError(error, 'NODE_EXISTS');
        const stat = isThere ? await this.#client.exists(this.node, forever) : null;
        if (stat?.ephemeralOwner === 0n) {
          throw new RecipeError('INVALID_DATA', this.#path, `${this.node} is not the node of a session`, error);
        }
        // Of this session: an attempt of ours whose answer was lost, or another object that has joined.
        const isMine = stat?.ephemeralOwner === this.#client.sessionId;
        if (!(isThere ? takeOver || isMine || stat === null : isTreekeeperError(error, 'CONNECTION_LOSS'))) {
          throw error;
        }
        const mine = stat === null ? null : await this.#replace(stat.version);
        if (mine !== null) {
          return mine;
        }
      }
    }
  }

  /** Null when something else has happened meanwhile. */
  async #replace(version: number): Promise<Stat | null> {
    const { node } = this;
    try {
      const options = { mode: 'ephemeral' } as const;
      await this.#client.transaction().delete(node, { version }).create(node, this.#data, options).commit(forever);
    } catch (error) {
      const codes = ['NO_NODE', 'BAD_VERSION', 'NODE_EXISTS', 'CONNECTION_LOSS'] as const;
      if (!codes.some((code) => isTreekeeperError(error, code))) {
        throw error;
      }
      return null;
    }
    const stat = await this.#client.exists(node, forever);
    return stat?.ephemeralOwner === this.#client.sessionId ? stat : null;
  }

  /** The same listener each time: it is one watch. */
  readonly #look = (): void => {
    if (!this.#isOver) {
      const options = { watch: this.#look, ...forever };
      this.#client.exists(this.node, options).then(
        (stat) => this.#onNode(stat),
        () => undefined, // the state tells why
      );
    }
  };

  #onNode(stat: Stat | null): void {
    if (this.#isEntering || this.#client.sessionId !== this.#sessionId) {
      return; // it will be looked at when it is made again
    }
    if (stat === null) {
      this.#lose('its node was removed');
    } else if (stat.czxid !== this.#czxid) {
      this.#lose(`session 0x${stat.ephemeralOwner.toString(16)} has taken its name over`);
    } else {
      this.#version = stat.version;
    }
  }

  #lose(why: string): void {
    this.#end('lost', new RecipeError('LOST', this.#path, `${this.node}: ${why}`));
  }

  #end(state: 'left' | 'lost', reason: RecipeError): void {
    if (!this.#isOver) {
      this.#state = state;
      this.#settled.ring();
      void this.#states.return?.();
      this.#removed = this.#remove();
      this.#controller.abort(reason);
    }
  }

  /** Only what is ours: the name may be somebody else's by now. */
  #remove(): Promise<void> {
    return removeOwn(this.#client, this.node, this.#czxid);
  }
}
