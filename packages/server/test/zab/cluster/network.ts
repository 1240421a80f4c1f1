/** Links and notifications between simulated servers: delayed, lost, cut one way or both, in pieces of any size. */
import type { Link, PeerAddresses, Peers } from '../../../src/io/peers.ts';
import type { Random } from '../../../src/io/random.ts';
import type { Events } from './events.ts';

/** What arrives at a server. */
export interface Receiver {
  readonly serverId: number;
  readonly isUp: boolean;
  readonly isListening: boolean;
  notification(from: number, bytes: Uint8Array): void;
  linkOpen(link: Link, dialled: boolean): void;
  linkData(link: Link, bytes: Uint8Array): void;
  linkGone(link: Link): void;
}

export interface Faults {
  /** Of a notification. */
  lossProbability: number;
  delayMs: () => number;
  /** Whether bytes come in pieces. */
  isChopping: boolean;
}

const CONNECT_RESET_MS = 20;

/** One end of a link. */
class End implements Link {
  readonly remoteAddress: string;
  readonly owner: Receiver;
  readonly #network: Network;
  readonly dialled: boolean;
  other: End | null = null;
  isOpen = true;
  /** The time at which the last bytes arrive: later ones do not overtake them. */
  #arrivesMs = 0;
  readonly #held: Uint8Array[] = [];

  constructor(network: Network, owner: Receiver, remote: number, dialled: boolean) {
    this.#network = network;
    this.owner = owner;
    this.dialled = dialled;
    this.remoteAddress = `server-${remote}`;
  }

  get unsentBytes(): number {
    return this.#held.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  write(bytes: Uint8Array): void {
    const other = this.other;
    if (!this.isOpen || other === null) {
      return;
    }
    this.#network.wiretap(this.owner.serverId, other.owner.serverId, this, bytes);
    this.#held.push(bytes);
    this.#send(other);
  }

  /** Held back while the way is cut, as TCP does. */
  #send(other: End): void {
    const { events, faults } = this.#network;
    this.#arrivesMs = Math.max(this.#arrivesMs, events.nowMs + faults.delayMs());
    events.after(this.#arrivesMs - events.nowMs, () => {
      if (this.#network.isCut(this.owner.serverId, other.owner.serverId)) {
        return;
      }
      const arrived = Buffer.concat(this.#held.splice(0));
      if (arrived.length > 0 && other.isOpen) {
        this.#network.deliver(other, arrived);
      }
    });
  }

  /** The way is free again. */
  resend(): void {
    if (this.isOpen && this.other !== null && this.#held.length > 0) {
      this.#send(this.other);
    }
  }

  close(): void {
    this.#end(true);
  }

  /** @param isLocal this end knows of it only when told so */
  #end(isLocal: boolean): void {
    if (!this.isOpen) {
      return;
    }
    this.isOpen = false;
    const { events, faults } = this.#network;
    events.after(0, () => this.owner.isUp && this.owner.linkGone(this));
    const other = this.other;
    if (isLocal && other !== null) {
      this.#arrivesMs = Math.max(this.#arrivesMs, events.nowMs + faults.delayMs());
      const tell = () => {
        if (this.#network.isCut(this.owner.serverId, other.owner.serverId)) {
          this.#network.onHeal(tell);
        } else {
          other.#end(false);
        }
      };
      events.after(this.#arrivesMs - events.nowMs, tell);
    }
  }
}

export class Network {
  readonly events: Events;
  readonly random: Random;
  readonly faults: Faults = { lossProbability: 0, delayMs: () => 1, isChopping: false };
  readonly #servers = new Map<number, Receiver>();
  readonly #cuts = new Set<string>();
  readonly #off = new Set<number>();
  #ends: End[] = [];
  #waiting: (() => void)[] = [];
  /** Sees every write. */
  wiretap: (from: number, to: number, link: Link, bytes: Uint8Array) => void = () => undefined;
  /** What a server hears of what arrives at its end of a link. */
  arriving: (to: number, link: Link, bytes: Uint8Array) => Uint8Array = (_to, _link, bytes) => bytes;
  /** Sees the open end of a new link. */
  onDial: (from: number, to: number, dialling: Link, accepting: Link) => void = () => undefined;

  constructor(events: Events, random: Random) {
    this.events = events;
    this.random = random;
  }

  /** A server is there, or there again. */
  attach(receiver: Receiver): void {
    this.#servers.set(receiver.serverId, receiver);
  }

  /** A process died: the system closes its links. */
  detach(receiver: Receiver): void {
    for (const end of this.#ends.filter(({ owner }) => owner === receiver)) {
      end.close();
    }
    this.#ends = this.#ends.filter(({ isOpen }) => isOpen);
  }

  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cuts.clear();
    for (const tell of this.#waiting.splice(0)) {
      tell();
    }
    for (const end of this.#ends) {
      end.resend();
    }
  }

  /** The machine is off: who dials it hears nothing, where one without its process would refuse. */
  turnOff(serverId: number): void {
    this.#off.add(serverId);
  }

  isCut(from: number, to: number): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  onHeal(run: () => void): void {
    this.#waiting.push(run);
  }

  deliver(to: End, sent: Uint8Array): void {
    if (!to.owner.isUp) {
      return;
    }
    const bytes = this.arriving(to.owner.serverId, to, sent);
    let start = 0;
    while (start < bytes.length && to.isOpen) {
      const isWhole = !this.faults.isChopping || this.random.next() < 0.5;
      const end = isWhole ? bytes.length : start + 1 + Math.floor(this.random.next() * (bytes.length - start));
      to.owner.linkData(to, new Uint8Array(bytes.subarray(start, end)));
      start = end;
    }
  }

  /** What a server sees of it. */
  peersOf(self: Receiver, setListening: (isListening: boolean) => void): Peers {
    return {
      setMembers: (_members: readonly PeerAddresses[]) => undefined,
      notify: (serverId, notification) => this.#notify(self, serverId, notification),
      dialAll: () => undefined,
      listen: () => setListening(true),
      stopListening: () => setListening(false),
      connect: (serverId) => this.#connect(self, serverId),
    };
  }

  #notify(from: Receiver, to: number, notification: Uint8Array): void {
    if (this.random.next() < this.faults.lossProbability) {
      return;
    }
    const bytes = new Uint8Array(notification);
    this.events.after(this.faults.delayMs(), () => {
      const receiver = this.#servers.get(to);
      if (receiver?.isUp && !this.isCut(from.serverId, to) && !this.isCut(to, from.serverId)) {
        receiver.notification(from.serverId, bytes);
      }
    });
  }

  #connect(self: Receiver, to: number): Link {
    const near = new End(this, self, to, true);
    this.events.after(this.faults.delayMs(), () => {
      const receiver = this.#servers.get(to);
      const isThere = receiver?.isUp && receiver.isListening;
      const isCut = this.isCut(self.serverId, to) || this.isCut(to, self.serverId);
      if (!near.isOpen || !self.isUp || this.#off.has(to)) {
        return;
      }
      if (!isThere || isCut) {
        this.events.after(CONNECT_RESET_MS, () => near.close());
        return;
      }
      const far = new End(this, receiver, self.serverId, false);
      near.other = far;
      far.other = near;
      this.#ends.push(near, far);
      this.onDial(self.serverId, to, near, far);
      receiver.linkOpen(far, false);
      if (self.isUp && near.isOpen) {
        self.linkOpen(near, true);
      }
    });
    return near;
  }
}
