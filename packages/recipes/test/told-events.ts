/** How often a client has told somebody of a path: once for each watcher that was left there. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Client, EventMessage } from '@treekeeper/client';

export class ToldEvents implements Disposable {
  readonly #client: Client;
  readonly #counts = new Map<string, number>();

  constructor(client: Client) {
    this.#client = client;
    subscribe('treekeeper:client:event', this.#onEvent);
  }

  of(path: string): number {
    return this.#counts.get(path) ?? 0;
  }

  [Symbol.dispose](): void {
    unsubscribe('treekeeper:client:event', this.#onEvent);
  }

  readonly #onEvent = (message: unknown): void => {
    const { path, sessionId } = message as EventMessage;
    if (sessionId === this.#client.sessionId) {
      this.#counts.set(path, this.of(path) + 1);
    }
  };
}
