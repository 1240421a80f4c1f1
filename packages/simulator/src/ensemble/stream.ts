/** One direction of a connection: bytes, and what happens between them, arrive in the order in which they left. */
import type { SimulatedNetwork } from './network.ts';

/** Bytes, or something that happens where they arrive. */
type Item = { readonly atMs: number } & (
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'happening'; readonly happen: () => void }
);

export class Stream {
  readonly #network: SimulatedNetwork;
  readonly #from: number;
  readonly #to: number;
  readonly #receive: (bytes: Uint8Array) => void;
  readonly #chopped: number;
  #items: Item[] = [];
  #isPumping = false;
  #isBroken = false;
  #lastArrivalMs = 0;
  /** Written and not arrived. */
  unsentBytes = 0;

  /** @param chopped how often only a part of the bytes arrives, and the rest later; 0: what is written arrives whole */
  constructor(
    network: SimulatedNetwork,
    from: number,
    to: number,
    receive: (bytes: Uint8Array) => void,
    chopped = network.plan.chopped,
  ) {
    this.#chopped = chopped;
    this.#network = network;
    this.#from = from;
    this.#to = to;
    this.#receive = receive;
  }

  write(bytes: Uint8Array): void {
    this.unsentBytes += bytes.length;
    this.#push({ kind: 'bytes', bytes, atMs: this.#arrivalMs() });
  }

  /** Has something happen at the other end, behind all bytes written before. */
  behind(happen: () => void): void {
    this.#push({ kind: 'happening', happen, atMs: this.#arrivalMs() });
  }

  /** Nothing more arrives; with `partly`, some of the bytes that are next still do, perhaps half a frame. */
  break(partly: boolean): void {
    const next = this.#items[0];
    if (partly && next?.kind === 'bytes' && next.bytes.length > 1) {
      this.#receive(next.bytes.slice(0, this.#network.dice.between(1, next.bytes.length - 1)));
    }
    this.#isBroken = true;
    this.#items = [];
  }

  #arrivalMs(): number {
    const { events } = this.#network;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, events.nowMs + this.#network.delayMs(this.#from, this.#to));
    return this.#lastArrivalMs;
  }

  #push(item: Item): void {
    if (!this.#isBroken) {
      this.#items.push(item);
      this.#pump();
    }
  }

  #pump(): void {
    const next = this.#items[0];
    if (this.#isPumping || next === undefined) {
      return;
    }
    this.#isPumping = true;
    const { events } = this.#network;
    events.after(next.atMs - events.nowMs, this.#arrive);
  }

  readonly #arrive = (): void => {
    const network = this.#network;
    if (this.#isBroken) {
      return;
    }
    if (network.isCut(this.#from, this.#to)) {
      network.whenFree(this.#from, this.#to, () => {
        network.events.after(network.delayMs(this.#from, this.#to), this.#arrive); // it is sent again
      });
      return;
    }
    this.#isPumping = false;
    while (this.#items.length > 0 && this.#items[0].atMs <= network.events.nowMs) {
      const item = this.#items.shift() as Item;
      if (item.kind === 'happening') {
        item.happen();
      } else {
        this.#deliver(item.bytes);
      }
    }
    this.#pump();
  };

  #deliver(bytes: Uint8Array): void {
    const { dice } = this.#network;
    if (bytes.length > 1 && dice.chance(this.#chopped)) {
      const count = dice.between(1, bytes.length - 1);
      this.unsentBytes -= count;
      this.#items.unshift({ kind: 'bytes', bytes: bytes.subarray(count), atMs: this.#arrivalMs() });
      this.#receive(bytes.slice(0, count));
      return;
    }
    this.unsentBytes -= bytes.length;
    this.#receive(bytes.slice());
  }
}
