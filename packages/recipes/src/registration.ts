import type { Joined, JoinedState } from './joined.ts';
import type { InstanceDescription } from './service-instance.ts';

/** What may change of an instance while it is registered. */
export type InstanceUpdate<M> = Partial<Omit<InstanceDescription<M>, 'id'>>;

/**
 * One's own registration. It lives through lost connections, and is made again in the client's next session, if the
 * client begins one (`onExpired: 'new-session'`). It ends when somebody removes the node, or takes its id.
 *
 * @example
 * ```ts
 * const services = new Services<{ load: number }>(client, '/services');
 * const self = await services.register('shop', { address: '10.0.0.7', port: 80, metadata: { load: 0 } });
 * await self.update({ metadata: { load: 0.7 } });
 * await self.update({ enabled: false }); // about to stop: nobody is sent here any more
 * await self.unregister();
 * ```
 */
export class Registration<M = unknown> implements AsyncDisposable {
  readonly #joined: Joined<InstanceDescription<M>>;
  readonly id: string;
  #description: InstanceDescription<M>;

  constructor(joined: Joined<InstanceDescription<M>>, id: string, description: InstanceDescription<M>) {
    this.#joined = joined;
    this.id = id;
    this.#description = description;
  }

  /** The path of the node. */
  get node(): string {
    return this.#joined.node;
  }

  get state(): JoinedState {
    return this.#joined.state;
  }

  /** Fires with a RecipeError: LOST when others have ended the registration, or the client; RELEASED at its own end. */
  get signal(): AbortSignal {
    return this.#joined.signal;
  }

  /** Changes what others see; what is not named stays. Rejects with LOST, RELEASED, INVALID_OPTION. */
  async update(changes: InstanceUpdate<M>): Promise<void> {
    const description = { ...this.#description, ...changes };
    await this.#joined.update(description);
    this.#description = description;
  }

  /** Fulfils when the node is gone; never rejects. Calling it again does nothing more. */
  unregister(): Promise<void> {
    return this.#joined.leave();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.unregister();
  }
}
