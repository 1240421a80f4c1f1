/**
 * An ensemble and its clients in a world that can fail: machines, a network, simulated time. The world does what it is
 * told; when something fails is for the faults to say (fault-injector.ts).
 */
import { Configuration, type DiskStep, type Log } from '@treekeeper/server/internal';
import type { Sent } from '../checkers/connection-view.ts';
import { check } from '../checkers/violation.ts';
import { SimulatedConnection } from '../connection.ts';
import type { Written } from '../connection-judge.ts';
import { Coverage } from '../coverage.ts';
import { Dice } from '../dice.ts';
import { describeTxn } from '../history.ts';
import type { ClientRequest } from '../requests.ts';
import type { Trace } from '../trace.ts';
import { ALICE, Workload } from '../workload.ts';
import { ClientPort, type PortOwner } from './client-port.ts';
import { DriftingClock } from './clock.ts';
import { Events } from './events.ts';
import { EnsembleReferee } from './judges/referee.ts';
import { SimulatedNetwork } from './network.ts';
import { groupLines, serverLine } from './operator.ts';
import { PeerLinks, type Wiretap } from './peers.ts';
import type { EnsemblePlan } from './plan.ts';
import { type ServerDoubles, type ServerEvents, SimulatedServer } from './server.ts';
import { type ClientWorld, SessionClient } from './session-client.ts';

/** Stand-ins for parts of the world: with a bug planted in one of them, the judges must find it. */
export interface EnsembleDoubles extends ServerDoubles {
  readonly connection?: (port: number) => SimulatedConnection;
  readonly wiretap?: Wiretap;
}

/** What a turn wrote to a client. */
interface Output extends Written {
  readonly port: ClientPort;
}

/** A process that has failed is started again after so long. */
const RESTART_MS = 500;
const EXPIRED = /^session (0x[0-9a-f]+) has expired$/;
/** A file whose checksum is wrong, maybe that over its digest, is damaged, and says nothing about the tree. */
const OF_ANOTHER_TREE = /(?<!checksum over the )digest/;
const FIRST_PORT = 40_000;
/** Machines of clients are numbered from here on. */
const FIRST_CLIENT_HOST = 100;

export class EnsembleWorld implements ServerEvents, ClientWorld {
  readonly events = new Events();
  readonly coverage = new Coverage();
  readonly network: SimulatedNetwork;
  readonly clientNetwork: SimulatedNetwork;
  readonly links: PeerLinks;
  readonly referee: EnsembleReferee;
  readonly servers = new Map<number, SimulatedServer>();
  readonly clients: readonly SessionClient[];
  readonly plan: EnsemblePlan;
  readonly #initial: Configuration;
  readonly #trace: Trace;
  readonly #doubles: EnsembleDoubles;
  /** Of observers: the follower that fed each last. */
  readonly #masters = new Map<number, number>();
  #nextPort = FIRST_PORT;
  #restarts = 0;

  constructor(seed: number, plan: EnsemblePlan, trace: Trace, doubles: EnsembleDoubles) {
    this.plan = plan;
    this.#trace = trace;
    this.#doubles = doubles;
    const networkDice = new Dice(seed, 'network');
    this.network = new SimulatedNetwork(this.events, networkDice, plan.network);
    this.clientNetwork = new SimulatedNetwork(this.events, networkDice, plan.clientNetwork);
    const { wiretap } = doubles;
    this.links = new PeerLinks(this.network, this.servers);
    if (wiretap !== undefined) {
      this.links.wiretap = wiretap;
    }
    this.#initial = configurationOf(plan);
    const { minSessionTimeoutMs, maxSessionTimeoutMs, reaper, digestEnabled } = plan.settings;
    const { enforceQuota, localSessionsUpgradingEnabled } = plan.settings.rules;
    const { localSessionsEnabled } = plan.settings;
    const kept = localSessionsUpgradingEnabled ? 'upgraded' : 'local for ever';
    const localSessions = localSessionsEnabled ? kept : 'none';
    const { hasObserverMasters } = plan.zab;
    const bounds = { minSessionTimeoutMs, maxSessionTimeoutMs };
    const rules = { ...bounds, reaper, digestEnabled, enforceQuota, hasObserverMasters, localSessions } as const;
    const rates = new Map(plan.clocks.map(({ rate }, i) => [i + 1, rate]));
    this.referee = new EnsembleReferee({ ...rules, configuration: this.#initial }, rates, this.coverage);
    this.#addServers(seed);
    const dice = new Dice(seed, 'clients');
    const workload = new Workload(new Dice(seed, 'workload'), plan.workload);
    this.clients = plan.clients.map(
      (client, i) => new SessionClient(`client${i + 1}`, FIRST_CLIENT_HOST + i, this, dice, client, workload),
    );
  }

  #addServers(seed: number): void {
    const { plan, events, links } = this;
    const dice = new Dice(seed, 'disk');
    const replicaDice = new Dice(seed, 'replica');
    plan.clocks.forEach(({ rate, wallOffsetMs }, i) => {
      const server = new SimulatedServer(i + 1, {
        events,
        links,
        clock: new DriftingClock(events, rate, wallOffsetMs),
        dice,
        replicaDice,
        options: plan.settings,
        zab: plan.zab,
        configuration: this.#firstConfigurationOf(i + 1),
        trace: this.#trace,
        world: this,
        doubles: this.#doubles,
      });
      this.servers.set(i + 1, server);
    });
  }

  /** One that is no member yet knows those there are, and calls itself an observer. */
  #firstConfigurationOf(serverId: number): Configuration {
    const initial = this.#initial;
    const isMember = initial.member(serverId) !== undefined;
    const lines = [...initial.membershipLines(), serverLine(serverId, 'observer')];
    return isMember ? initial : Configuration.parse(lines.join('\n'));
  }

  /** In force, as far as anybody can know. */
  get configuration(): Configuration {
    return this.referee.membership.configuration;
  }

  /** The servers that are members now. */
  get members(): readonly SimulatedServer[] {
    return this.configuration.members.map(({ id }) => this.servers.get(id) as SimulatedServer);
  }

  get serverIds(): readonly number[] {
    return [...this.servers.keys()];
  }

  /** Restarts of servers after the first start of each. */
  get restarts(): number {
    return this.#restarts;
  }

  /** The one that leads, of the latest epoch if there are two who think so. */
  get leader(): SimulatedServer | undefined {
    return [...this.servers.values()]
      .filter(({ replica }) => replica?.member?.peer.leader != null)
      .sort((one, other) => epochOf(other) - epochOf(one))[0];
  }

  /** A follower that feeds an observer now. */
  get observerMaster(): SimulatedServer | undefined {
    const [masterId] = this.links.observerMasters.values();
    return this.servers.get(masterId);
  }

  /** Every member serves, and follows the same leader; of an observer, the follower that feeds it does. */
  get isWhole(): boolean {
    const { leader } = this;
    return this.members.every(
      ({ serverId, replica, process }) =>
        replica?.serving === true &&
        !process?.isPaused &&
        (replica.member?.peer.leaderId === leader?.serverId || this.links.observerMasters.has(serverId)),
    );
  }

  start(): void {
    for (const server of this.members) {
      this.startServer(server);
    }
    for (const client of this.clients) {
      client.start();
      client.work();
    }
  }

  startServer(server: SimulatedServer): void {
    if (server.process === null) {
      this.#restarts += server.starts > 0 ? 1 : 0;
      this.tell(() => `server ${server.serverId} starts`);
      server.start();
    }
  }

  run(untilMs: number): void {
    while (this.events.step(untilMs)) {
      // one event after the other
    }
  }

  /** Lets time pass until something is so. False: it was not within `limitMs`. */
  runUntil(isSo: () => boolean, limitMs: number): boolean {
    const endMs = this.events.nowMs + limitMs;
    while (!isSo()) {
      if (!this.events.step(endMs)) {
        return false;
      }
    }
    return true;
  }

  tell(line: () => string): void {
    if (this.#trace.isTold) {
      this.#trace.tell(`${this.events.nowMs.toFixed(2).padStart(10)} ${line()}`);
    }
  }

  /** Each server's situation in words. */
  describe(): string {
    return [...this.servers.values()]
      .map(({ serverId, replica }) => {
        const peer = replica?.member?.peer;
        return `${serverId}: ${peer === undefined ? 'down' : `${peer.state} ${peer.phase} ${peer.leaderId}`}`;
      })
      .join(', ');
  }

  // Of servers

  started(server: SimulatedServer): void {
    if (server.replica !== null) {
      this.referee.started(server.serverId, server.replica);
    }
  }

  submitted({ serverId }: SimulatedServer, steps: readonly DiskStep[]): void {
    for (const logged of this.referee.submitted(serverId, steps, this.events.nowMs)) {
      this.tell(() => `server ${serverId} logs ${describeTxn(logged)}`);
    }
  }

  diskDone({ serverId }: SimulatedServer, step: DiskStep): void {
    this.referee.diskDone(serverId, step);
    if (step.op === 'truncate' && step.area === 'log') {
      this.coverage.happened('history cut back');
    }
  }

  turned(server: SimulatedServer): void {
    const { serverId, process, replica } = server;
    if (process === null || replica === null) {
      return;
    }
    const written: Output[] = [];
    for (const port of process.ports) {
      const bytes = port.connection.hasWritten ? port.connection.take() : null;
      if (bytes !== null && bytes.length > 0) {
        written.push({ port, view: port.view, bytes });
        this.#trace.record('write', port.view.port, serverId, bytes);
      }
    }
    if (this.plan.zab.hasObserverMasters) {
      this.#noteMaster(server);
    }
    this.referee.turned(serverId, replica, written, this.events.nowMs);
    for (const { port, bytes } of written) {
      port.sendToClient(bytes);
    }
    for (const port of process.ports) {
      port.afterTurn();
      if (port.connection.closed) {
        this.referee.ended(port.view);
      }
    }
    this.referee.checkNothingOverdue(serverId);
  }

  #noteMaster({ serverId, replica }: SimulatedServer): void {
    const masterId = replica?.serving === true ? this.links.observerMasters.get(serverId) : undefined;
    const before = this.#masters.get(serverId);
    if (masterId !== undefined && masterId !== before) {
      this.#masters.set(serverId, masterId);
      this.coverage.happened(before === undefined ? 'observer fed by a follower' : 'observer changed master');
    }
  }

  ended(server: SimulatedServer, ports: readonly ClientPort[]): void {
    this.referee.stopped(server.serverId);
    for (const { view } of ports) {
      this.referee.ended(view);
    }
  }

  givesUp(): void {
    this.coverage.happened('leadership given away');
  }

  told({ serverId }: SimulatedServer, level: keyof Log, message: string): void {
    this.coverage.told(message);
    const expired = EXPIRED.exec(message);
    if (expired !== null) {
      this.referee.expired(serverId, BigInt.asIntN(64, BigInt(expired[1])), this.events.nowMs);
    }
    this.tell(() => `server ${serverId} says: ${message}`);
    check(level !== 'error' || !OF_ANOTHER_TREE.test(message), 'digest', () => `server ${serverId} says: ${message}`);
  }

  failed(server: SimulatedServer): void {
    this.coverage.happened('failed disk');
    this.tell(() => `server ${server.serverId} stops: ${server.replica?.failure}`);
    server.end('failed');
    this.events.after(RESTART_MS, () => this.startServer(server));
  }

  // Of clients

  connect(client: SessionClient, serverId: number, owner: PortOwner): ClientPort | null {
    const { clientNetwork } = this;
    const server = this.servers.get(serverId);
    const isCut = clientNetwork.isCut(client.hostId, serverId) || clientNetwork.isCut(serverId, client.hostId);
    if (server === undefined || !server.isPowered || isCut) {
      return null;
    }
    if (server.process === null) {
      this.events.after(2 * clientNetwork.delayMs(client.hostId, serverId), () => owner.closed('connection refused'));
      return null;
    }
    const port = this.#nextPort++;
    const connection = this.#doubles.connection?.(port) ?? new SimulatedConnection(port);
    const view = this.referee.connected(serverId, port);
    return new ClientPort(clientNetwork, client.hostId, server.process, connection, view, owner);
  }

  handshakeSent({ view }: ClientPort, sessionId: bigint, requestedTimeoutMs: number): void {
    this.referee.handshakeSent(view, { sessionId, requestedTimeoutMs, hasRightPassword: true });
  }

  sent(port: ClientPort, request: ClientRequest, xid: number): Sent {
    const sent = this.referee.sent(port.view, request, xid, port.sentBytes);
    if (request.kind === 'auth' && request.user === ALICE.credentials) {
      this.referee.identified(port.view, { scheme: 'digest', id: ALICE.id });
    }
    return sent;
  }

  received(client: SessionClient, { xid, zxid }: { xid: number; zxid: number }, sent: Sent | undefined): void {
    this.referee.received(client.port?.view.sessionId ?? 0n, xid, zxid, sent);
  }
}

function epochOf({ replica }: SimulatedServer): number {
  return replica?.member?.peer.leadership?.epoch ?? 0;
}

function configurationOf({ voters, observers, groups }: EnsemblePlan): Configuration {
  const lines = Array.from({ length: voters + observers }, (_, i) => {
    return serverLine(i + 1, i < voters ? 'participant' : 'observer');
  });
  return Configuration.parse([...lines, ...groupLines(groups), 'version=0'].join('\n'));
}
