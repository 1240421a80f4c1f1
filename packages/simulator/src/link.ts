/** The network between a client and the server: bytes wait on their way, in pieces of any size. */
import type { Input } from '@treekeeper/server/internal';
import type { ConnectionView } from './checkers/connection-view.ts';
import type { Network } from './client.ts';
import type { SimulatedConnection } from './connection.ts';
import type { Dice } from './dice.ts';
import type { ClientConnection, WorkloadClient } from './workload-client.ts';

const NOTHING = Buffer.alloc(0);

export class Link implements Network {
  readonly owner: WorkloadClient;
  readonly connection: SimulatedConnection;
  readonly view: ConnectionView;
  /** The owner's side of it, once it has set up. */
  client: ClientConnection | null = null;
  sentBytes = 0;
  deliveredBytes = 0;
  /** The network between the two is gone; the server may not have heard of it. */
  isCut = false;
  /** The server has been told that the connection is gone, or is gone itself. */
  serverKnowsEnd = false;
  #opened = false;
  #up: Buffer = NOTHING;
  #down: Buffer = NOTHING;

  constructor(owner: WorkloadClient, connection: SimulatedConnection, view: ConnectionView) {
    this.owner = owner;
    this.connection = connection;
    this.view = view;
  }

  /** There is something for the server, and nothing in the way. */
  get canDeliver(): boolean {
    const { paused, closed } = this.connection;
    return !this.isCut && !closed && (!this.#opened || (this.#up.length > 0 && !paused));
  }

  get hasDown(): boolean {
    return this.#down.length > 0;
  }

  push(input: Input): void {
    if (input.kind === 'client-data') {
      this.#up = Buffer.concat([this.#up, input.bytes]);
      this.sentBytes += input.bytes.length;
    }
  }

  /** What the server is given next, if it `canDeliver`: first the connection itself, then some of the bytes or all. */
  takeUp(dice: Dice | null): Input {
    const { connection } = this;
    if (!this.#opened) {
      this.#opened = true;
      return { kind: 'client-open', connection };
    }
    const count = partOf(this.#up.length, dice);
    const bytes = Buffer.from(this.#up.subarray(0, count));
    this.#up = this.#up.subarray(count);
    this.deliveredBytes += count;
    return { kind: 'client-data', connection, bytes };
  }

  written(bytes: Buffer): void {
    this.#down = Buffer.concat([this.#down, bytes]);
  }

  /** What the client gets next. */
  takeDown(dice: Dice | null): Buffer {
    const count = partOf(this.#down.length, dice);
    const bytes = this.#down.subarray(0, count);
    this.#down = this.#down.subarray(count);
    return bytes;
  }

  /** What is on its way to the client is lost. */
  dropDown(): void {
    this.#down = NOTHING;
  }
}

/** Most often all of it. */
function partOf(length: number, dice: Dice | null): number {
  return dice === null || length === 0 || dice.chance(0.7) ? length : dice.between(1, length);
}
