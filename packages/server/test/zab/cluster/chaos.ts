/** An ensemble to which everything happens, out of a seed; and then nothing more, and it must recover. */
import { Cluster, configurationWith } from './cluster.ts';
import type { Server } from './server.ts';

export interface Outcome {
  readonly cluster: Cluster;
  readonly trace: readonly string[];
  readonly transactions: number;
  readonly epochs: number;
  /** How often what took place. */
  readonly counts: ReadonlyMap<string, number>;
}

const CHAOS_MS = 6000;
const SYNC_TYPES = new Map([
  [13, 'DIFF'],
  [14, 'TRUNC'],
  [15, 'SNAP'],
]);

export class Chaos {
  readonly cluster: Cluster;
  readonly #counts = new Map<string, number>();
  readonly #changesMembers: boolean;
  readonly #writeProbability: number;
  #writes = 0;
  #isHealed = false;

  constructor(seed: number) {
    const pick = new Cluster(seed, { voters: 1 }).random; // draws the shape out of the same seed
    const voters = [3, 3, 3, 5, 5, 4, 2, 1][Math.floor(pick.next() * 8)];
    const observers = pick.next() < 0.3 ? 1 : 0;
    this.#changesMembers = pick.next() < 0.4;
    this.cluster = new Cluster(seed, {
      voters,
      observers,
      reconfigEnabled: this.#changesMembers,
      committedLogEntriesMax: 1 + Math.floor(pick.next() * 30),
      snapshotSizeFactor: [-1, 0, 0.33][Math.floor(pick.next() * 3)],
      linkUnsentBytesPause: 64 + Math.floor(pick.next() * 1000),
      transferBytesPerTurn: 32 + Math.floor(pick.next() * 200),
    });
    this.#writeProbability = [0.05, 0.3, 1][Math.floor(pick.next() * 3)];
    const { network } = this.cluster;
    network.faults.lossProbability = pick.next() * 0.2;
    network.faults.isChopping = pick.next() < 0.5;
    const delayMaxMs = 1 + pick.next() * 20;
    network.faults.delayMs = () => Math.ceil(this.chance * delayMaxMs);
    this.cluster.wiretap.onPacket = (from, _to, { type }) => {
      const name = SYNC_TYPES.get(type);
      if (name !== undefined) {
        this.#count(name);
        this.#troubleSync(from);
      }
    };
  }

  get chance(): number {
    return this.cluster.random.next();
  }

  #anyOf<T>(list: readonly T[]): T {
    return list[Math.floor(this.chance * list.length)];
  }

  run(): Outcome {
    const { cluster } = this;
    const { ids, events } = cluster;
    cluster.start(...ids);
    for (const disk of cluster.disks.values()) {
      disk.delayMs = () => Math.ceil(this.chance * 5);
    }
    while (events.nowMs < CHAOS_MS) {
      this.#happen(ids);
      cluster.run(Math.ceil(this.chance * 60));
    }
    this.#recover(ids);
    const epochs = Math.max(...[...cluster.disks.values()].map(({ epochs: { currentEpoch } }) => currentEpoch));
    return { cluster, trace: cluster.trace, transactions: cluster.order.length, epochs, counts: this.#counts };
  }

  #happen(ids: readonly number[]): void {
    const { cluster } = this;
    const { network, random } = cluster;
    const one = cluster.server(this.#anyOf(ids));
    const what = random.next();
    if (what < 0.45) {
      this.#write(one);
    } else if (what < 0.5) {
      one.sync();
    } else if (what < 0.58) {
      this.#crashOrStart(one);
    } else if (what < 0.63) {
      const other = this.#anyOf(ids);
      network.cut(one.serverId, other);
      if (random.next() < 0.5) {
        network.cut(other, one.serverId);
      }
      cluster.note(one.serverId, `cut off from ${other}`);
    } else if (what < 0.64) {
      one.pause(Math.ceil(random.next() * 1000));
    } else if (what < 0.65) {
      this.#isolate(one, ids);
    } else if (what < 0.69) {
      this.#troubleLeader(ids);
    } else if (what < 0.82) {
      network.heal();
    } else if (what < 0.86) {
      const slowMs = random.next() < 0.5 ? 5 : 200;
      one.disk.delayMs = () => Math.ceil(this.chance * slowMs);
    } else if (what < 0.91) {
      one.purge();
    } else if (what < 0.93) {
      cluster.leader?.handOver(random.next() < 0.5 ? null : this.#anyOf(ids));
    } else if (what < 0.97 && this.#changesMembers) {
      this.#changeMembers(ids);
    } else if (what < 0.98) {
      cluster.crash(...cluster.up.map(({ serverId }) => serverId)); // the lights go out
      cluster.start(...ids.filter(() => random.next() < 0.8));
    }
  }

  /** Everyone may come, go, vote or observe, as long as somebody votes. */
  #changeMembers(ids: readonly number[]): void {
    const voters = ids.filter(() => this.chance < 0.6);
    const observers = ids.filter((id) => !voters.includes(id) && this.chance < 0.5);
    const { leader } = this.cluster;
    if (voters.length > 0 && leader?.reconfigure((version) => configurationWith(voters, observers, version))) {
      this.cluster.note(leader.serverId, `proposes voters ${voters}, observers ${observers}`);
      this.#count('reconfigurations');
    }
  }

  #count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  /** What a leader proposes and cannot commit has to vanish, or to be committed by the next. */
  #troubleLeader(ids: readonly number[]): void {
    const { leader } = this.cluster;
    if (leader === undefined) {
      return;
    }
    const what = this.chance;
    if (what < 0.4) {
      this.#isolate(leader, ids);
    } else if (what < 0.6) {
      const pauseMs = 500 + Math.ceil(this.chance * 1500);
      leader.pause(pauseMs);
      this.cluster.events.after(pauseMs - 50, () => this.cluster.leader?.write(`w${this.#writes++}`));
      this.cluster.events.after(pauseMs - 1, () => leader.sync());
    }
    this.#write(leader);
    if (this.chance < 0.5) {
      this.cluster.run(Math.ceil(this.chance * 10));
      this.cluster.crash(leader.serverId);
    }
  }

  #write(server: Server): void {
    if (this.chance > this.#writeProbability) {
      return;
    }
    const count = this.chance < 0.2 ? 10 : 1;
    for (let i = 0; i < count; i++) {
      server.write(`w${this.#writes++}`);
    }
  }

  #crashOrStart(server: Server): void {
    const { cluster } = this;
    const down = cluster.ids.filter((id) => !cluster.server(id).isUp);
    if (down.length > 0 && this.chance < 0.7) {
      cluster.start(this.#anyOf(down));
    } else if (server.isUp) {
      cluster.crash(server.serverId);
      this.#maybeDamage(server);
    } else {
      cluster.start(server.serverId);
    }
  }

  /** One after the other: a quorum that has everything must be left. */
  #maybeDamage({ serverId, disk, peer }: Server): void {
    const { cluster } = this;
    const isHealable = peer.membership.committed.voters.length > 2 && !this.#changesMembers;
    if (isHealable && ![...cluster.disks.values()].some(({ isDamaged }) => isDamaged) && this.chance < 0.5) {
      disk.isDamaged = true;
      cluster.note(serverId, 'its history is damaged');
      this.#count('damaged');
    }
  }

  /** Synchronisations end before they are complete. */
  #troubleSync(leaderId: number): void {
    const leader = this.cluster.server(leaderId);
    if (!this.#isHealed && this.chance < 0.2) {
      this.cluster.events.after(Math.ceil(this.chance * 30), () => {
        if (leader.isUp && !this.#isHealed) {
          this.cluster.crash(leaderId);
        }
      });
    }
  }

  #isolate(server: Server, ids: readonly number[]): void {
    this.cluster.note(server.serverId, 'isolated');
    for (const other of ids.filter((id) => id !== server.serverId)) {
      this.cluster.network.cut(server.serverId, other);
      this.cluster.network.cut(other, server.serverId);
    }
  }

  /** Nothing bad happens any more: everyone comes to follow one leader, and what is written then reaches everyone. */
  #recover(ids: readonly number[]): void {
    const { cluster } = this;
    cluster.note(0, 'healed');
    this.#isHealed = true;
    cluster.network.heal();
    cluster.network.faults.lossProbability = 0;
    for (const disk of cluster.disks.values()) {
      disk.delayMs = () => 1;
    }
    cluster.start(...ids.filter((id) => !cluster.server(id).isUp));
    const before = cluster.order.length;
    cluster.until('a write reaches everyone', () => {
      const { leader } = cluster;
      if (leader === undefined || !cluster.isWhole) {
        return false;
      }
      if (leader.isIdle && cluster.order.length === before) {
        leader.write('the last one');
      }
      return cluster.order.length > before && this.#isEverywhere();
    });
  }

  #isEverywhere(): boolean {
    const { order, up } = this.cluster;
    return up.every(({ database }) => database.history().length === order.length);
  }
}

export function runChaos(seed: number): Outcome {
  const chaos = new Chaos(seed);
  try {
    return chaos.run();
  } catch (error) {
    const { trace } = chaos.cluster;
    throw new Error(`seed ${seed}: ${(error as Error).message}\n${trace.slice(-60).join('\n')}`, { cause: error });
  }
}
