/**
 * A network namespace for each server, on one bridge. A cut link is a neighbour entry with a hardware address that
 * nobody has: packets leave and never arrive, in one direction, without an error for anybody. Slowness is netem's.
 * Where the kernel has none, packets wait in the queue of a token bucket, and a filter that asks for random numbers
 * sends some of them to a device that is down.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import type { Network, Role, Seat, Slowness } from './network.ts';

const CLIENT_PORT = 2181;
const QUORUM_PORT = 2888;
const ELECTION_PORT = 3888;
/** Of the block for tests of network devices (RFC 2544): nobody routes it. */
const SUBNETS = '198.18';
const NOWHERE = '02:00:00:00:ff:ff';
/** The rate at which a token bucket delays a busy server's packets. */
const SLOW_RATE = '512kbit';
const DEAD_END = 'nowhere';

const open = new Set<NamespaceNetwork>();
process.on('exit', () => {
  for (const network of open) {
    network.remove();
  }
});

export class NamespaceNetwork implements Network {
  readonly description: string;
  readonly #roles: readonly Role[];
  readonly #name = `tkt${process.pid}`;
  readonly #subnet = `${SUBNETS}.${process.pid % 256}`;
  #hasNetem = false;
  #losesPackets = false;

  private constructor(roles: readonly Role[]) {
    this.#roles = roles;
    this.#make();
    this.description = `network namespaces; ${this.#slowness}`;
  }

  /** Null where the machine does not allow it. */
  static create(roles: readonly Role[]): NamespaceNetwork | null {
    if (process.getuid?.() !== 0) {
      return null;
    }
    try {
      return new NamespaceNetwork(roles);
    } catch {
      return null;
    }
  }

  get #slowness(): string {
    if (this.#hasNetem) {
      return 'delay and loss by netem';
    }
    return `no netem: ${SLOW_RATE} by tbf, ${this.#losesPackets ? 'loss by a random filter' : 'no loss of packets'}`;
  }

  get #serverIds(): number[] {
    return this.#roles.map((_, i) => i + 1);
  }

  #namespace(serverId: number): string {
    return `${this.#name}-${serverId}`;
  }

  #address(serverId: number): string {
    return `${this.#subnet}.${serverId}`;
  }

  #hardwareAddress(serverId: number): string {
    return `02:00:00:00:00:${serverId.toString(16).padStart(2, '0')}`;
  }

  #make(): void {
    open.add(this);
    try {
      const bridge = this.#name;
      run('ip', ['link', 'add', bridge, 'type', 'bridge']);
      run('ip', ['addr', 'add', `${this.#subnet}.254/24`, 'dev', bridge]);
      run('ip', ['link', 'set', bridge, 'up']);
      for (const serverId of this.#serverIds) {
        this.#plugIn(serverId, bridge);
      }
      const probe = ['-n', this.#namespace(1), 'qdisc', 'replace', 'dev', 'eth0', 'root', 'netem', 'delay', '1ms'];
      this.#hasNetem = spawnSync('tc', probe).status === 0;
      this.#losesPackets = !this.#hasNetem && this.#makeDeadEnds();
      this.#healNow();
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  #plugIn(serverId: number, bridge: string): void {
    const namespace = this.#namespace(serverId);
    run('ip', ['netns', 'add', namespace]);
    run('ip', ['link', 'add', namespace, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
    run('ip', ['link', 'set', namespace, 'master', bridge, 'up']);
    const within = ['-n', namespace];
    run('ip', [...within, 'link', 'set', 'eth0', 'address', this.#hardwareAddress(serverId)]);
    run('ip', [...within, 'addr', 'add', `${this.#address(serverId)}/24`, 'dev', 'eth0']);
    run('ip', [...within, 'link', 'set', 'lo', 'up']);
    run('ip', [...within, 'link', 'set', 'eth0', 'up']);
  }

  /** False where the kernel cannot filter so. */
  #makeDeadEnds(): boolean {
    return this.#serverIds.every((serverId) => {
      const namespace = this.#namespace(serverId);
      const device = ['-n', namespace, 'link', 'add', DEAD_END, 'type', 'veth', 'peer', 'name', `${DEAD_END}-too`];
      const isMade = spawnSync('ip', device).status === 0;
      return isMade && spawnSync('tc', ['-n', namespace, 'qdisc', 'add', 'dev', 'eth0', 'clsact']).status === 0;
    });
  }

  seat(serverId: number): Seat {
    const lines = this.#roles.map((role, i) => {
      const host = this.#address(i + 1);
      return [`server.${i + 1}`, `${host}:${QUORUM_PORT}:${ELECTION_PORT}:${role};${host}:${CLIENT_PORT}`];
    });
    return {
      host: this.#address(serverId),
      clientPort: CLIENT_PORT,
      lines: Object.fromEntries(lines),
      prefix: ['nsenter', `--net=/run/netns/${this.#namespace(serverId)}`],
    };
  }

  async cut(from: number, to: number): Promise<void> {
    this.#setNeighbour(from, to, NOWHERE);
  }

  async slow(serverId: number, { delayMs, lossPercent }: Slowness): Promise<void> {
    const how = this.#hasNetem
      ? ['netem', 'delay', `${delayMs}ms`, `${delayMs / 2}ms`, 'loss', `${lossPercent}%`]
      : ['tbf', 'rate', SLOW_RATE, 'burst', '4kb', 'latency', '2s'];
    run('tc', ['-n', this.#namespace(serverId), 'qdisc', 'replace', 'dev', 'eth0', 'root', ...how]);
    if (this.#losesPackets && lossPercent > 0) {
      const filter = ['-n', this.#namespace(serverId), 'filter', 'replace', 'dev', 'eth0', 'egress', 'pref', '1'];
      const matching = ['protocol', 'ip', 'bpf', 'bytecode', randomFilter(lossPercent)];
      run('tc', [...filter, ...matching, 'action', 'mirred', 'egress', 'redirect', 'dev', DEAD_END]);
    }
  }

  async heal(): Promise<void> {
    this.#healNow();
  }

  #healNow(): void {
    for (const serverId of this.#serverIds) {
      const namespace = this.#namespace(serverId);
      spawnSync('tc', ['-n', namespace, 'qdisc', 'del', 'dev', 'eth0', 'root']);
      if (this.#losesPackets) {
        spawnSync('tc', ['-n', namespace, 'filter', 'del', 'dev', 'eth0', 'egress']);
      }
      for (const other of this.#serverIds.filter((id) => id !== serverId)) {
        this.#setNeighbour(serverId, other, this.#hardwareAddress(other));
      }
    }
  }

  #setNeighbour(from: number, to: number, hardwareAddress: string): void {
    const entry = [this.#address(to), 'lladdr', hardwareAddress, 'dev', 'eth0', 'nud', 'permanent'];
    run('ip', ['-n', this.#namespace(from), 'neigh', 'replace', ...entry]);
  }

  async close(): Promise<void> {
    this.remove();
  }

  /** May be called more than once, and for what was only half made. */
  remove(): void {
    if (open.delete(this)) {
      for (const serverId of this.#serverIds) {
        spawnSync('ip', ['netns', 'del', this.#namespace(serverId)]);
      }
      spawnSync('ip', ['link', 'del', this.#name]);
    }
  }
}

/** A program for the kernel's packet filter that matches so many packets of a hundred. */
function randomFilter(percent: number): string {
  // Loads a random number of 32 bits; a higher one than the limit skips the instruction that matches.
  const limit = Math.floor((percent / 100) * 2 ** 32);
  return `4,32 0 0 4294963256,53 1 0 ${limit},6 0 0 4294967295,6 0 0 0`;
}

function run(command: string, args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
