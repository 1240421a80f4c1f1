/**
 * Something that is held while an ephemeral node of this session exists: a lock, a leadership, a lease. The client
 * cannot know for sure that it still holds; it can know when it does no longer know. Then the signal fires.
 */
import { type Client, type SessionState, type Stat, utf8 } from '@treekeeper/client';
import { RecipeError } from './errors.ts';
import { forever } from './forever.ts';
import { type Fence, type GuardedClient, guard } from './guard.ts';
import { remove } from './seat.ts';

/** Of everything that hands out a Hold. */
export interface HoldOptions {
  /**
   * What a lost connection means. 'lose': the hold is over at once (the node is removed when the connection is back).
   * 'wait': it goes on if the connection comes back in time; the signal fires when the session might expire, which is a
   * third of its timeout after the loss. Guarded writes are safe either way. @default 'lose'
   */
  readonly onDisconnect?: 'lose' | 'wait' | undefined;
}

/** `uncertain`: disconnected, and waiting; guarded writes are safe, anything else is at the holder's own risk. */
export type HoldState = 'held' | 'uncertain' | 'lost' | 'released';

/** The parts that differ from recipe to recipe. */
export interface Held {
  /** The recipe's path, for errors. */
  readonly path: string;
  /** The node of this session that means holding. */
  readonly node: string;
  readonly token: bigint;
  /** What guarded writes check. @default that the node exists */
  readonly fences?: readonly Fence[] | undefined;
  /** Ends the holding at the servers; never rejects. @default removes the node */
  readonly remove?: (() => Promise<void>) | undefined;
  /** The hold that this one is a part of, of the same node: it ends no later, is told of the node, and removes it. */
  readonly within?: Hold | undefined;
}

/** Curator's message: a node with these data belongs to a holder who is asked to give it up. */
export const REVOKE_MESSAGE = '__REVOKE__';

/**
 * What a recipe hands to whom it admits. `await using` releases it at the end of the block.
 */
export class Hold implements AsyncDisposable {
  readonly #client: Client;
  readonly #held: Held;
  readonly #waits: boolean;
  readonly #controller = new AbortController();
  readonly #revocation = new AbortController();
  readonly #sessionId: bigint;
  readonly #states: AsyncIterableIterator<SessionState>;
  #state: HoldState = 'held';
  #timer: ReturnType<typeof setTimeout> | null = null;
  #removed: Promise<void> | null = null;
  /** Writes that the server refuses once this is no longer held, whether or not anybody has noticed. */
  readonly guarded: GuardedClient;

  constructor(client: Client, held: Held, options: HoldOptions = {}) {
    this.#client = client;
    this.#held = held;
    this.#waits = options.onDisconnect === 'wait';
    this.#sessionId = client.sessionId;
    const fences = held.fences ?? [{ path: held.node, version: -1 }];
    this.guarded =
      held.within?.guarded ?? guard(client, held.path, fences, () => this.#lose('a guarded write was refused'));
    this.#states = client.states();
    void this.#followStates();
    if (held.within === undefined) {
      this.#watchNode();
    } else {
      this.#follow(held.within);
    }
  }

  /** Rises with every holder: give it to what you write to, and have it refuse lower ones. */
  get token(): bigint {
    return this.#held.token;
  }

  /** The node that means holding. */
  get node(): string {
    return this.#held.node;
  }

  get state(): HoldState {
    this.#catchUp();
    return this.#state;
  }

  /** Fires, with a RecipeError LOST, when this is not certain to be held any more; RELEASED after `release`. */
  get signal(): AbortSignal {
    this.#catchUp();
    return this.#controller.signal;
  }

  /**
   * Fires, with a RecipeError REVOKED, when somebody asks to give it up (`Lock.revoke`, Curator's Revoker). It is a
   * request: nothing happens unless the holder releases.
   */
  get revocation(): AbortSignal {
    return this.#revocation.signal;
  }

  /** Gives it up. Fulfils when the node is gone; never rejects. Calling it again does nothing more. */
  release(): Promise<void> {
    if (!this.#isOver) {
      this.#end('released', new RecipeError('RELEASED', this.#held.path));
    }
    return this.#removed ?? Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Who has just seen a call fail is not to find the lock held: the states are told some moments later. */
  #catchUp(): void {
    void this.#held.within?.state; // its end is told at once
    if (!this.#isOver) {
      this.#onState(this.#client.state);
    }
  }

  async #followStates(): Promise<void> {
    for await (const state of this.#states) {
      this.#onState(state);
    }
  }

  #onState(state: SessionState): void {
    if (state === 'connected') {
      this.#clearTimer();
      if (this.#state === 'uncertain') {
        this.#state = 'held'; // within the session: the node is there, or its watch tells
      }
    } else if (state === 'disconnected' || state === 'connected-read-only') {
      if (!this.#waits) {
        this.#lose('the connection was lost');
      } else if (this.#state === 'held') {
        this.#state = 'uncertain';
        // The client notices a dead connection after two thirds of the timeout at the latest.
        const inDoubtMs = this.#client.sessionTimeoutMs / 3;
        this.#timer = setTimeout(() => this.#lose('the session may have expired'), inDoubtMs);
      }
    } else if (state !== 'connecting') {
      this.#lose(`the session is ${state}`);
    }
  }

  /** Asks the servers nothing: what there is to know, the other hold is told. */
  #follow({ signal, revocation }: Hold): void {
    const { signal: ended } = this.#controller;
    const onEnd = (): void => this.#lose('the hold around it is over');
    const onRevoked = (): void => this.#revocation.abort(revocation.reason);
    for (const [source, listener] of [
      [signal, onEnd],
      [revocation, onRevoked],
    ] as const) {
      if (source.aborted) {
        listener();
      } else {
        source.addEventListener('abort', listener, { once: true });
        ended.addEventListener('abort', () => source.removeEventListener('abort', listener), { once: true });
      }
    }
  }

  /** Somebody may remove the node: an operator, or one who takes it for a stale one. */
  #watchNode(): void {
    const look = (): void => {
      if (this.#isOver) {
        return;
      }
      this.#client
        .exists(this.#held.node, { watch: look, ...forever })
        .then((stat) => this.#onNode(stat))
        .catch(() => undefined); // the state tells why
    };
    look();
  }

  async #onNode(stat: Stat | null): Promise<void> {
    if (stat === null) {
      this.#lose('its node was removed');
    } else if (stat.ephemeralOwner !== this.#sessionId) {
      this.#lose('its node was replaced by another holder’s');
    } else if (stat.version > 0 && !this.#revocation.signal.aborted) {
      const { value } = await this.#client.get(this.#held.node, { codec: utf8, ...forever });
      if (value === REVOKE_MESSAGE) {
        this.#revocation.abort(new RecipeError('REVOKED', this.#held.path));
      }
    }
  }

  get #isOver(): boolean {
    return this.#state === 'lost' || this.#state === 'released';
  }

  #lose(why: string): void {
    if (!this.#isOver) {
      this.#end('lost', new RecipeError('LOST', this.#held.path, `${why}; stop acting as the holder`));
    }
  }

  #end(state: 'lost' | 'released', reason: RecipeError): void {
    this.#state = state;
    this.#clearTimer();
    void this.#states.return?.();
    this.#removed = this.#remove();
    this.#controller.abort(reason);
  }

  #remove(): Promise<void> {
    const { remove: ending, within, node } = this.#held;
    return ending?.() ?? (within === undefined ? remove(this.#client, node) : Promise.resolve());
  }

  #clearTimer(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
  }
}
