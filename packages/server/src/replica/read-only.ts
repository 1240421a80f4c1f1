/**
 * Reads without a quorum (quorum-protocol.md §10): a server that looks for a leader and finds none for a while shows
 * what it has to clients that say that they can do with that. Nothing that happens here outlives it or gets to the
 * log: sessions are this server's own, and writes are refused.
 */
import type { Connections } from './connections.ts';
import { NoOrder } from './no-order.ts';
import { type ReplicaWorld, Service, type ServiceParts } from './service.ts';

export interface ReadOnlyParts {
  readonly service: ServiceParts;
  readonly connections: Connections;
  /** How long a server looks for a leader before it serves reads. */
  readonly delayMs: number;
  world(): ReplicaWorld;
}

export class ReadOnly {
  readonly #parts: ReadOnlyParts;
  #service: Service | null = null;
  #lookingSinceMs: number | null = null;

  constructor(parts: ReadOnlyParts) {
    this.#parts = parts;
  }

  /** Null: reads are not served, or are so by somebody else. */
  get service(): Service | null {
    return this.#service;
  }

  /** Call it whenever the server may have found a leader, or lost it. */
  follow(isLooking: boolean, nowMs: number): void {
    if (!isLooking) {
      this.#lookingSinceMs = null;
      this.#end();
      return;
    }
    this.#lookingSinceMs ??= nowMs;
    if (this.#service === null && nowMs >= this.#lookingSinceMs + this.#parts.delayMs) {
      this.#begin();
    }
  }

  #begin(): void {
    const { service, connections, world } = this.#parts;
    this.#service = new Service(service, world(), { kind: 'read-only', order: new NoOrder() });
    connections.serve(this.#service);
    service.log.warn('no leader is found: read-only clients are served what is here, which may be old');
  }

  /** All clients have to come again: to a server that takes writes. */
  #end(): void {
    const service = this.#service;
    if (service === null) {
      return;
    }
    this.#service = null;
    const { connections, world } = this.#parts;
    connections.serve(null);
    connections.closeAll();
    for (const client of connections.byConnection.values()) {
      service.forget(client);
      client.session = null;
    }
    world().sessions.ceaseServing();
  }
}
