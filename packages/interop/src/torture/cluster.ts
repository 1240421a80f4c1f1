/** The ensemble under torture. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Flavour, Server } from '../servers.ts';
import { Member, mountSmallDisk, type SelfEnd, unmountDisk } from './member.ts';
import { NamespaceNetwork } from './namespaces.ts';
import type { Network, Role } from './network.ts';
import { ProxyNetwork } from './proxies.ts';

const SMALL_DISK_MB = 256;
/** Debian's package libfaketime, by kind of machine. */
const FAKETIME_LIBRARY = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((file) => existsSync(file));
const POLL_MS = 50;

export interface ClusterOptions {
  readonly flavour: Flavour;
  readonly roles: readonly Role[];
  readonly directory: string;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly network: 'namespaces' | 'proxies';
  /** What is filled: a file system of server 1's own, where it may be mounted, or else what the process may write. */
  readonly disk: 'small' | 'limited';
  /** Servers have clocks of their own, where the machine has libfaketime. */
  readonly ownClocks: boolean;
}

export class Cluster {
  readonly flavour: Flavour;
  readonly network: Network;
  readonly members: readonly Member[];
  /** Servers that ended by themselves. */
  readonly selfEnds: SelfEnd[] = [];

  private constructor(flavour: Flavour, network: Network, members: readonly Member[]) {
    this.flavour = flavour;
    this.network = network;
    this.members = members;
    for (const member of members) {
      member.onSelfEnd = (end) => this.selfEnds.push(end);
    }
  }

  /** Nothing is started. */
  static async create(options: ClusterOptions): Promise<Cluster> {
    const { roles } = options;
    const wanted = options.network === 'namespaces' ? NamespaceNetwork.create(roles) : null;
    const network = wanted ?? (await ProxyNetwork.create(roles));
    const members: Member[] = [];
    for (const id of roles.keys()) {
      members.push(await newMember(id + 1, network, options));
    }
    return new Cluster(options.flavour, network, members);
  }

  /** What the machine allows, for the report. */
  get description(): string {
    const [first] = this.members;
    const disk = first.smallDisk === null ? 'no disk of its own: RLIMIT_FSIZE' : `a disk of ${SMALL_DISK_MB} MB`;
    const clock = first.clockFile === null ? 'the machine’s clock' : 'clocks that are set, by libfaketime';
    return `${this.network.description}; ${disk}; ${clock}`;
  }

  /** `host:port` of each, for clients. */
  get servers(): string {
    return this.members.map(({ address }) => address).join(',');
  }

  /** Starts those that do not run. */
  launchAll(): void {
    for (const member of this.members.filter(({ server }) => !server.alive)) {
      member.launch();
    }
  }

  /** The member that leads, or null. */
  async leader(): Promise<Member | null> {
    const modes = await Promise.all(this.members.map((member) => member.mode()));
    return this.members[modes.indexOf('leader')] ?? null;
  }

  async modes(): Promise<string> {
    const modes = await Promise.all(this.members.map((member) => member.mode()));
    return modes.map((mode, i) => `server ${i + 1} ${mode ?? 'does not serve'}`).join(', ');
  }

  /** All serve; false when that takes too long. */
  async untilServing(limitMs: number): Promise<boolean> {
    return await within(limitMs, async () => {
      const modes = await Promise.all(this.members.map((member) => member.mode()));
      return modes.every((mode) => mode !== null) && modes.includes('leader');
    });
  }

  /** Nothing fails any more; clocks may go on being wrong. */
  async calm(): Promise<void> {
    await this.network.heal();
    for (const member of this.members) {
      member.freeDisk();
      member.resume();
    }
    this.launchAll();
  }

  /** `keepsFiles`: what is on small disks is copied to the others. */
  async end(keepsFiles: boolean): Promise<void> {
    for (const member of this.members) {
      member.resume();
      await member.kill();
      if (keepsFiles) {
        member.keepDisk();
      }
      if (member.smallDisk !== null) {
        unmountDisk(member.smallDisk);
      }
    }
    await this.network.close();
  }
}

/** False: not in time. */
export async function within(limitMs: number, isSo: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) {
      return false;
    }
    await sleep(POLL_MS);
  }
  return true;
}

async function newMember(id: number, network: Network, options: ClusterOptions): Promise<Member> {
  const directory = join(options.directory, `server-${id}`);
  mkdirSync(directory, { recursive: true });
  const seat = network.seat(id);
  // One of them; the others have the machine's disk.
  const isSmall = options.disk === 'small' && id === 1;
  const smallDisk = isSmall ? mountSmallDisk(join(directory, 'disk'), SMALL_DISK_MB) : null;
  const clockFile = options.ownClocks && FAKETIME_LIBRARY !== undefined ? join(directory, 'clock') : null;
  // Java asks for the names of addresses, and in a namespace nobody answers.
  const hostsFile = join(directory, 'hosts');
  const hosts = options.roles.map((_, i) => `${network.seat(i + 1).host} server-${i + 1}\n`);
  writeFileSync(hostsFile, hosts.join(''));
  const server = await Server.create({
    flavour: options.flavour,
    directory,
    ...(smallDisk !== null && { dataDirectory: join(smallDisk, 'data') }),
    host: seat.host,
    port: seat.clientPort,
    prefix: seat.prefix,
    environment: FAKETIME_LIBRARY === undefined || clockFile === null ? {} : ownClock(FAKETIME_LIBRARY, clockFile),
    settings: { ...options.settings, ...seat.lines, peerType: options.roles[id - 1] },
    heapMb: 192,
    javaOptions: [`-Djdk.net.hosts.file=${hostsFile}`],
  });
  writeFileSync(join(server.dataDirectory, 'myid'), `${id}\n`);
  const member = new Member(id, server, smallDisk, clockFile);
  member.setClock(0);
  return member;
}

/** The time of day only: that which passes is the machine's. */
function ownClock(library: string, clockFile: string): Record<string, string> {
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: clockFile,
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
    // With its fix for old C libraries no wait of Java's lasts: its threads turn and turn.
    FAKETIME_FORCE_MONOTONIC_FIX: '0',
  };
}
