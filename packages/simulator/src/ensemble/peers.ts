/** The other servers over simulated links: io/peers.ts for servers that may be killed, paused or cut off. */
import type { Link, LinkPort, PeerAddresses, PeerInput, Peers } from '@treekeeper/server/internal';
import type { SimulatedNetwork } from './network.ts';
import { notificationOf, openingOf, type Release, withoutOwnPackets } from './releases.ts';
import { Stream } from './stream.ts';

/** One life of a server's process, as the network sees it. */
export interface Process {
  readonly serverId: number;
  /** It has not ended. It may be paused: its system takes connections and bytes for it all the same. */
  readonly isAlive: boolean;
  push(input: PeerInput): void;
}

/** A machine with a server. */
export interface Machine {
  readonly serverId: number;
  /** Without power nobody answers; with power, but without a process, every connection is refused. */
  readonly isPowered: boolean;
  /** What its process speaks as. */
  readonly release: Release;
  readonly process: Process | null;
}

/** Sees, and may change, what goes over a link; by default it stays as it is. */
export type Wiretap = (from: number, to: number, bytes: Uint8Array) => Uint8Array;

/** One end of a link between two servers. */
export class PeerEnd implements Link {
  readonly remoteAddress: string;
  readonly remoteId: number;
  readonly owner: Process;
  /** That the one of both has opened, and the other has dialled. */
  readonly port: LinkPort;
  readonly isDialler: boolean;
  readonly out: Stream;
  readonly #links: PeerLinks;
  other: PeerEnd | null = null;
  isOpen = true;
  #hasSpoken = false;

  constructor(links: PeerLinks, owner: Process, remoteId: number, port: LinkPort, isDialler: boolean) {
    this.#links = links;
    this.owner = owner;
    this.port = port;
    this.isDialler = isDialler;
    this.remoteId = remoteId;
    this.remoteAddress = `server-${remoteId}`;
    this.out = new Stream(links.network, owner.serverId, remoteId, (bytes) => this.#arrived(bytes));
  }

  get unsentBytes(): number {
    return this.out.unsentBytes;
  }

  write(bytes: Uint8Array): void {
    if (this.isOpen && this.other !== null) {
      const { serverId } = this.owner;
      const ends = [serverId, this.remoteId].map((id) => this.#links.machine(id).release);
      const spoken = this.#hasSpoken ? bytes : openingOf(ends[0], bytes);
      this.#hasSpoken = true;
      const heard = ends.includes('apache') ? withoutOwnPackets(spoken) : spoken;
      this.out.write(this.#links.wiretap(serverId, this.remoteId, heard));
    }
  }

  #arrived(bytes: Uint8Array): void {
    const { other } = this;
    if (other === null) {
      return;
    }
    if (other.isOpen && other.owner.isAlive) {
      other.owner.push({ kind: 'link-data', link: other, bytes });
    } else if (this.#links.machine(this.remoteId).isPowered) {
      this.#links.reset(this); // nobody knows this connection there
    }
  }

  /** The process has closed it, or has ended. */
  close(): void {
    if (!this.isOpen) {
      return;
    }
    this.gone();
    this.other?.out.break(false);
    this.out.behind(() => this.other?.gone());
  }

  /** This end is closed, and its process hears of it. */
  gone(): void {
    if (this.isOpen) {
      this.isOpen = false;
      this.#links.forget(this);
      this.owner.push({ kind: 'link-gone', link: this });
    }
  }
}

/** The connection of two election ports: made when somebody has something to say, and lost with either process. */
interface ElectionWire {
  state: 'none' | 'dialling' | 'open';
  /** Not left yet: the latest of each, by sender. */
  readonly waiting: Map<number, Uint8Array>;
  /** By sender. */
  streams: Map<number, Stream>;
}

/** All connections between servers. */
export class PeerLinks {
  readonly network: SimulatedNetwork;
  readonly #machines: ReadonlyMap<number, Machine>;
  readonly #listening: Readonly<Record<LinkPort, Set<Process>>> = { quorum: new Set(), observers: new Set() };
  readonly #ends = new Set<PeerEnd>();
  readonly #wires = new Map<string, ElectionWire>();
  wiretap: Wiretap = (_from, _to, bytes) => bytes;

  constructor(network: SimulatedNetwork, machines: ReadonlyMap<number, Machine>) {
    this.network = network;
    this.#machines = machines;
  }

  machine(serverId: number): Machine {
    const machine = this.#machines.get(serverId);
    if (machine === undefined) {
      throw new Error(`there is no server ${serverId}`);
    }
    return machine;
  }

  forget(end: PeerEnd): void {
    this.#ends.delete(end);
  }

  /** Which follower feeds each observer, of those that have found one. */
  get observerMasters(): ReadonlyMap<number, number> {
    const masters = new Map<number, number>();
    for (const { port, isDialler, isOpen, other, owner, remoteId } of this.#ends) {
      if (port === 'observers' && isDialler && isOpen && other !== null) {
        masters.set(owner.serverId, remoteId);
      }
    }
    return masters;
  }

  /** A process has ended; with its machine's power, nobody is told. */
  ended(process: Process, withPower: boolean): void {
    this.#listening.quorum.delete(process);
    this.#listening.observers.delete(process);
    for (const end of [...this.#ends].filter(({ owner }) => owner === process)) {
      if (withPower) {
        end.out.break(false);
        this.#ends.delete(end);
        end.isOpen = false;
      } else {
        end.close();
      }
    }
    for (const [key, wire] of this.#wires) {
      if (key.split('-').includes(String(process.serverId))) {
        breakWire(wire);
      }
    }
  }

  /** Links between two servers break; some of what was under way arrives, perhaps half a packet. */
  breakBetween(one: number, other: number): void {
    for (const end of [...this.#ends]) {
      const isBetween = end.owner.serverId === one && end.remoteId === other;
      if (isBetween && end.other !== null) {
        end.out.break(true);
        end.other.out.break(true);
        end.gone();
        end.other.gone();
      }
    }
    breakWire(this.#wireOf(one, other));
  }

  /** This end is told that the other does not know it. */
  reset(end: PeerEnd): void {
    end.out.break(false);
    this.network.events.after(this.network.delayMs(end.remoteId, end.owner.serverId), () => end.gone());
  }

  /** What a server's process sees of it. */
  peersOf(process: Process): Peers {
    const { serverId } = process;
    return {
      setMembers: (_members: readonly PeerAddresses[], restart) => {
        if (restart) {
          this.#breakWires(serverId);
        }
      },
      notify: (to, notification) => {
        this.#notify(serverId, to, notificationOf(this.machine(serverId).release, notification));
      },
      dialAll: () => {
        for (const to of this.#machines.keys()) {
          if (to !== serverId) {
            this.#dial(serverId, to);
          }
        }
      },
      listen: (port) => void this.#listening[port].add(process),
      stopListening: (port) => void this.#listening[port].delete(process),
      connect: (to, timeoutMs, port) => this.#connect(process, to, timeoutMs, port),
    };
  }

  #connect(process: Process, to: number, timeoutMs: number, port: LinkPort): Link {
    const { network } = this;
    const { events } = network;
    const from = process.serverId;
    const near = new PeerEnd(this, process, to, port, true);
    this.#ends.add(near);
    events.after(timeoutMs, () => near.other === null && near.gone());
    events.after(network.delayMs(from, to), () => {
      const machine = this.machine(to);
      if (!near.isOpen || !machine.isPowered || network.isCut(from, to) || network.isCut(to, from)) {
        return; // no answer
      }
      const { process: acceptor } = machine;
      if (acceptor === null || !this.#listening[port].has(acceptor)) {
        events.after(network.delayMs(to, from), () => near.gone());
        return;
      }
      const far = new PeerEnd(this, acceptor, from, port, false);
      this.#ends.add(far);
      near.other = far;
      far.other = near;
      acceptor.push({ kind: 'link-open', link: far, dialled: false });
      far.out.behind(() => near.isOpen && process.push({ kind: 'link-open', link: near, dialled: true }));
    });
    return near;
  }

  // Elections

  #wireOf(one: number, other: number): ElectionWire {
    const key = one < other ? `${one}-${other}` : `${other}-${one}`;
    let wire = this.#wires.get(key);
    if (wire === undefined) {
      wire = { state: 'none', waiting: new Map(), streams: new Map() };
      this.#wires.set(key, wire);
    }
    return wire;
  }

  #breakWires(serverId: number): void {
    for (const other of this.#machines.keys()) {
      if (other !== serverId) {
        breakWire(this.#wireOf(serverId, other));
      }
    }
  }

  #notify(from: number, to: number, bytes: Uint8Array): void {
    if (!this.#machines.has(to)) {
      return;
    }
    const wire = this.#wireOf(from, to);
    if (wire.state === 'open') {
      wire.streams.get(from)?.write(bytes);
    } else {
      wire.waiting.set(from, bytes);
      this.#dial(from, to);
    }
  }

  #dial(from: number, to: number): void {
    const { network } = this;
    const wire = this.#wireOf(from, to);
    if (wire.state !== 'none') {
      return;
    }
    wire.state = 'dialling';
    network.events.after(network.delayMs(from, to) + network.delayMs(to, from), () => {
      const bothAlive = [from, to].every((id) => this.machine(id).process?.isAlive);
      if (wire.state !== 'dialling') {
        return;
      }
      if (!bothAlive || network.isCut(from, to) || network.isCut(to, from)) {
        breakWire(wire);
        return;
      }
      wire.state = 'open';
      wire.streams = new Map([
        [from, this.#electionStream(from, to)],
        [to, this.#electionStream(to, from)],
      ]);
      for (const [sender, bytes] of wire.waiting) {
        wire.streams.get(sender)?.write(bytes);
      }
      wire.waiting.clear();
    });
  }

  /** Notifications are short: they arrive whole. */
  #electionStream(from: number, to: number): Stream {
    const receive = (bytes: Uint8Array) => {
      this.machine(to).process?.push({ kind: 'notification', serverId: from, bytes });
    };
    return new Stream(this.network, from, to, receive, 0);
  }
}

function breakWire(wire: ElectionWire): void {
  for (const stream of wire.streams.values()) {
    stream.break(false);
  }
  wire.state = 'none';
  wire.streams.clear();
  wire.waiting.clear();
}
