/**
 * An ensemble of whole replicas in memory: simulated disks and clients, and a network that delivers in order and at
 * once, except where it is cut. Tests of Zab itself are in test/zab; here is what clients see of it.
 */
import { expect } from 'vitest';
import { SimulatedClient } from '../../../simulator/src/client.ts';
import { SimulatedClock } from '../../../simulator/src/clock.ts';
import { SimulatedConnection } from '../../../simulator/src/connection.ts';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { AccessControl } from '../../src/auth/acl.ts';
import { Credentials } from '../../src/auth/credentials.ts';
import { AUTH_DEFAULTS } from '../../src/auth/options.ts';
import { AuthRegistry } from '../../src/auth/registry.ts';
import { SeededRandom } from '../../src/host/node-random.ts';
import type { Input } from '../../src/io/input.ts';
import type { Link, LinkPort, Peers } from '../../src/io/peers.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import type { ReplicaOptions } from '../../src/replica/options.ts';
import type { ReconfigurationRules } from '../../src/replica/reconfiguration.ts';
import { Replica } from '../../src/replica/replica.ts';
import { Configuration } from '../../src/zab/configuration.ts';
import { ZAB_DEFAULTS, type ZabOptions } from '../../src/zab/options.ts';
import { auth } from './requests.ts';
import { type ClientHome, TestClient } from './support.ts';

const STEP_MS = 10;
const FIRST_PORT = 40_000;
/** super:test */
const SUPER_DIGEST = 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=';

/** One end of a link between two servers. */
class End implements Link {
  readonly remoteAddress: string;
  readonly unsentBytes = 0;
  readonly #owner: TestMember;
  readonly #isCut: () => boolean;
  other: End | null = null;
  isOpen = true;

  constructor(owner: TestMember, remoteId: number, isCut: () => boolean) {
    this.remoteAddress = `server-${remoteId}`;
    this.#owner = owner;
    this.#isCut = isCut;
  }

  write(bytes: Uint8Array): void {
    if (this.isOpen && this.other?.isOpen && !this.#isCut()) {
      this.other.#owner.push({ kind: 'link-data', link: this.other, bytes: new Uint8Array(bytes) });
    }
  }

  close(): void {
    for (const end of [this, this.other]) {
      if (end?.isOpen) {
        end.isOpen = false;
        end.#owner.push({ kind: 'link-gone', link: end });
      }
    }
  }
}

/** A member: its process, its disk, and the clients that are connected to it. */
export class TestMember implements ClientHome {
  readonly id: number;
  readonly ensemble: TestEnsemble;
  disk = new SimulatedDisk();
  readonly messages: string[] = [];
  replica: Replica | null = null;
  metrics = createMetrics();
  /** As its files have it, from one life to the next. */
  configuration: Configuration;
  proposed: Configuration | null = null;
  readonly openPorts = new Set<LinkPort>();
  links: End[] = [];
  #clients: TestClient<TestMember>[] = [];
  #inbox: Input[] = [];

  constructor(ensemble: TestEnsemble, id: number, configuration: Configuration) {
    this.ensemble = ensemble;
    this.id = id;
    this.configuration = configuration;
  }

  start(): void {
    const { clock, options, zab, reconfiguration, readOnlyDelayMs, leaderServes } = this.ensemble;
    const auth = new AuthRegistry({ ...AUTH_DEFAULTS, superDigest: SUPER_DIGEST });
    this.metrics = createMetrics();
    const tell = (message: string): void => void this.messages.push(message);
    this.replica = new Replica(
      { ...options, serverId: this.id },
      {
        clock,
        random: new SeededRandom(this.id),
        disk: this.disk,
        log: { info: tell, warn: tell, error: tell },
        access: new AccessControl(auth),
        credentials: new Credentials(auth, null),
        metrics: this.metrics,
        audit: null,
        elapsedMs: () => clock.nowMs,
        probe: () => null,
        isMember: true,
      },
    );
    this.replica.join({
      zab: { ...ZAB_DEFAULTS, ...zab, serverId: this.id, tickTimeMs: options.tickTimeMs },
      peers: this.ensemble.peersOf(this),
      files: {
        committed: (configuration) => {
          this.configuration = configuration;
        },
        proposed: (configuration) => {
          this.proposed = configuration;
        },
      },
      configuration: this.configuration,
      proposedConfiguration: this.proposed,
      reconfiguration,
      readOnlyDelayMs,
      leaderServes,
    });
  }

  /** The process dies; the disk keeps what was written. */
  kill(): void {
    this.#end();
    this.disk.kill();
  }

  /** The power fails: the disk may lose what was not synced. */
  crash(): void {
    this.#end();
    this.disk.crash(new SeededRandom(this.id));
  }

  /** The process dies, and the disk is replaced by an empty one. */
  wipe(): void {
    this.#end();
    this.disk = new SimulatedDisk();
  }

  #end(): void {
    this.replica = null;
    this.openPorts.clear();
    this.#inbox = [];
    for (const link of this.links.splice(0)) {
      link.close();
    }
    for (const client of this.#clients.splice(0)) {
      client.lost();
    }
  }

  get running(): Replica {
    if (this.replica === null) {
      throw new Error(`server ${this.id} is not running`);
    }
    return this.replica;
  }

  get digest(): string {
    const { tree } = this.running.world;
    return `0x${tree.lastZxid.toString(16)} ${tree.digest} ${tree.nodeCount}`;
  }

  push(input: Input): void {
    if (this.replica !== null) {
      this.#inbox.push(input);
    }
  }

  /** One turn, and the disk does all its work. True: there is more to do. */
  turn(): boolean {
    const { replica } = this;
    if (replica === null) {
      return false;
    }
    const inputs = this.#inbox;
    this.#inbox = [];
    const isMore = replica.turn(inputs);
    if (replica.failure !== null) {
      throw new Error(`server ${this.id} fails: ${replica.failure}`);
    }
    for (const completion of this.disk.drain()) {
      this.push(completion);
    }
    for (const client of this.#clients) {
      client.reportGone();
    }
    return isMore;
  }

  get hasInputs(): boolean {
    return this.#inbox.length > 0;
  }

  settle(): void {
    this.ensemble.settle();
  }

  connect(remoteAddress?: string): TestClient<TestMember> {
    const connection = new SimulatedConnection(this.ensemble.nextPort(), remoteAddress);
    const client = new TestClient(this, new SimulatedClient(this, connection));
    this.#clients.push(client);
    return client;
  }

  client(timeoutMs = 10_000): TestClient<TestMember> {
    const client = this.connect();
    client.shakeHands({ timeOut: timeoutMs });
    return client;
  }

  /** A client that may do everything. */
  superuser(): TestClient<TestMember> {
    const client = this.client();
    client.get(auth('digest', 'super:test'));
    return client;
  }

  /** A client of another server comes here with its session. */
  resume(client: TestClient<TestMember>): TestClient<TestMember> {
    const again = this.connect();
    again.shakeHands({ sessionId: client.wire.sessionId, passwd: client.wire.password });
    return again;
  }
}

export interface TestEnsembleOptions {
  readonly observers?: number;
  readonly replica?: Partial<ReplicaOptions>;
  readonly reconfigEnabled?: boolean;
  /** No fewer participants. */
  readonly votersMin?: number;
  /** Null: nobody is served without a quorum. */
  readonly readOnlyDelayMs?: number | null;
  readonly leaderServes?: boolean;
  readonly zab?: Partial<ZabOptions>;
}

/** What a reconfiguration calls a server of these ensembles. */
export function serverLine(id: number, role: 'participant' | 'observer' = 'participant'): string {
  return `server.${id}=s${id}:2888:3888:${role};s${id}:2181`;
}

export class TestEnsemble {
  readonly clock = new SimulatedClock();
  readonly options: ReplicaOptions;
  readonly zab: Partial<ZabOptions>;
  readonly reconfiguration: ReconfigurationRules;
  readonly readOnlyDelayMs: number | null;
  readonly leaderServes: boolean;
  readonly members: TestMember[];
  readonly #cut = new Set<number>();
  #port = FIRST_PORT;

  /** Participants 1 to `size`, and observers after them. All of them are started. */
  constructor(
    size: number,
    {
      observers = 0,
      replica = {},
      reconfigEnabled = false,
      votersMin = 2,
      readOnlyDelayMs = null,
      leaderServes = true,
      zab = {},
    }: TestEnsembleOptions = {},
  ) {
    const { rules } = simulatedOptions;
    this.options = { ...simulatedOptions, rules: { ...rules, reconfigEnabled }, ...replica };
    this.zab = { reconfigEnabled, ...zab };
    this.readOnlyDelayMs = readOnlyDelayMs;
    this.leaderServes = leaderServes;
    this.reconfiguration = { votersMin, multiAddressEnabled: false };
    const ids = Array.from({ length: size + observers }, (_, i) => i + 1);
    const lines = ids.map((id) => serverLine(id, id > size ? 'observer' : 'participant'));
    const configuration = Configuration.parse(`${lines.join('\n')}\nversion=0`);
    this.members = ids.map((id) => new TestMember(this, id, configuration));
    for (const member of this.members) {
      member.start();
    }
    this.untilServing();
  }

  nextPort(): number {
    return this.#port++;
  }

  member(id: number): TestMember {
    return this.members[id - 1];
  }

  /** Another server, which knows those there are; it is no member until a reconfiguration makes it one. */
  add(): TestMember {
    const id = this.members.length + 1;
    const lines = [...this.leader.configuration.membershipLines(), serverLine(id, 'observer')];
    const member = new TestMember(this, id, Configuration.parse(lines.join('\n')));
    this.members.push(member);
    member.start();
    this.untilServing();
    return member;
  }

  get leader(): TestMember {
    const leader = this.members.find(({ replica }) => replica?.member?.peer.leader != null);
    if (leader === undefined) {
      throw new Error('nobody leads');
    }
    return leader;
  }

  /** Those that run and do not lead. */
  get learners(): TestMember[] {
    const { leader } = this;
    return this.members.filter((member) => member !== leader && member.replica !== null);
  }

  /** One turn of each, and a little time. */
  round(): void {
    this.clock.advance(1);
    for (const member of this.members) {
      member.turn();
    }
  }

  /** Turns until nothing more happens without time passing. */
  settle(): void {
    let more = true;
    for (let round = 0; more; round++) {
      more = false;
      for (const member of this.members) {
        more = member.turn() || more;
      }
      more ||= this.members.some(({ hasInputs }) => hasInputs);
      if (round > 10_000) {
        throw new Error('the ensemble does not come to rest');
      }
    }
  }

  advance(ms: number): void {
    for (let left = ms; left > 0; left -= STEP_MS) {
      this.clock.advance(Math.min(STEP_MS, left));
      this.settle();
    }
  }

  /** Until every server that runs serves. */
  untilServing(): void {
    this.settle();
    for (let waitedMs = 0; !this.#serves; waitedMs += STEP_MS) {
      if (waitedMs > 120_000) {
        const states = this.members.map(({ id, replica }) => `${id}: ${replica?.member?.peer.state ?? 'down'}`);
        const said = this.members.map(({ id, messages }) => `${id} says: ${messages.slice(-5).join(' | ')}`);
        throw new Error(`the ensemble does not serve: ${states.join(', ')}\n${said.join('\n')}`);
      }
      this.advance(STEP_MS);
    }
  }

  get #serves(): boolean {
    return this.members.every(({ id, replica }) => replica === null || this.#cut.has(id) || replica.serving);
  }

  /** Nothing reaches the server any more, nor comes from it. */
  cut(id: number): void {
    this.#cut.add(id);
  }

  heal(): void {
    this.#cut.clear();
  }

  peersOf(self: TestMember): Peers {
    const isCut = (other: number) => this.#cut.has(self.id) || this.#cut.has(other);
    return {
      setMembers: () => {},
      notify: (serverId, bytes) => {
        if (!isCut(serverId)) {
          this.member(serverId).push({ kind: 'notification', serverId: self.id, bytes: new Uint8Array(bytes) });
        }
      },
      dialAll: () => {},
      listen: (port) => {
        self.openPorts.add(port);
      },
      stopListening: (port) => {
        self.openPorts.delete(port);
      },
      connect: (serverId, _timeoutMs, port) => {
        const target = this.member(serverId);
        const near = new End(self, serverId, () => isCut(serverId));
        if (!target.openPorts.has(port) || isCut(serverId)) {
          near.isOpen = false;
          self.push({ kind: 'link-gone', link: near });
          return near;
        }
        const far = new End(target, self.id, () => isCut(serverId));
        near.other = far;
        far.other = near;
        self.links.push(near);
        target.links.push(far);
        self.push({ kind: 'link-open', link: near, dialled: true });
        target.push({ kind: 'link-open', link: far, dialled: false });
        return near;
      },
    };
  }
}

/** All members that run have applied the same history, and it has made the same tree of each. */
export function expectSameTrees(ensemble: TestEnsemble): void {
  ensemble.advance(1000);
  for (const { id, replica, metrics } of ensemble.members) {
    expect(replica === null ? 0 : metrics.digest_mismatches_count.value, `wrong digests at server ${id}`).toBe(0);
  }
  const [first, ...others] = ensemble.members.filter(({ replica }) => replica !== null).map(({ digest }) => digest);
  for (const other of others) {
    expect(other).toBe(first);
  }
}
