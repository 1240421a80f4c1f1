/**
 * One server of a simulated ensemble: a machine with a disk and a clock that outlive its processes, and a process with
 * the real replica, which is turned when something has come in or time has passed, as the host's loop does it.
 */
import {
  AccessControl,
  AUTH_DEFAULTS,
  AuthRegistry,
  type Configuration,
  Credentials,
  createMetrics,
  type DiskStep,
  type Input,
  type Log,
  Replica,
  type ReplicaOptions,
  type ZabOptions,
} from '@treekeeper/server/internal';
import type { Dice } from '../dice.ts';
import { SimulatedDisk } from '../disk.ts';
import { ObservedDisk } from '../observed-disk.ts';
import type { Trace } from '../trace.ts';
import type { ClientPort } from './client-port.ts';
import type { DriftingClock } from './clock.ts';
import type { Events } from './events.ts';
import { OPERATOR } from './operator.ts';
import type { Machine, PeerLinks, Process } from './peers.ts';
import type { Release } from './releases.ts';

/** What servers tell the world of. */
export interface ServerEvents {
  started(server: SimulatedServer): void;
  submitted(server: SimulatedServer, steps: readonly DiskStep[]): void;
  diskDone(server: SimulatedServer, step: DiskStep): void;
  turned(server: SimulatedServer): void;
  ended(server: SimulatedServer, ports: readonly ClientPort[]): void;
  /** Its leadership goes to another server. */
  givesUp(server: SimulatedServer): void;
  /** The server has said something to its operator. */
  told(server: SimulatedServer, level: keyof Log, message: string): void;
  /** The replica says that the process must stop. */
  failed(server: SimulatedServer): void;
}

/** Stand-ins for parts of a server: with a bug planted in one of them, the judges must find it. */
export interface ServerDoubles {
  readonly disk?: (serverId: number) => SimulatedDisk;
  readonly configuration?: (configuration: Configuration) => Configuration;
}

export interface ServerParts {
  readonly events: Events;
  readonly links: PeerLinks;
  readonly clock: DriftingClock;
  /** Of the disk and of the pace of turns. */
  readonly dice: Dice;
  /** Of the replica itself. */
  readonly replicaDice: Dice;
  readonly options: ReplicaOptions;
  readonly zab: Omit<ZabOptions, 'serverId'>;
  readonly configuration: Configuration;
  readonly trace: Trace;
  readonly world: ServerEvents;
  readonly doubles: ServerDoubles;
}

/** How a process ends. */
export type ProcessEnd = 'power loss' | 'kill' | 'failed';

/** So many turns come in a tick at least, for what waits for time to pass and names no time of its own. */
const HEARTBEATS_A_TICK = 4;
const TURN_DELAY_MS_MAX = 0.5;
/** Of a disk that is well. */
export const STEP_MS_MAX = 0.4;
/** A clock shows whole milliseconds: waking a little later makes sure that it shows the one that was waited for. */
const WAKE_LATE_MS = 0.01;

export class SimulatedServer implements Machine {
  readonly serverId: number;
  readonly clock: DriftingClock;
  readonly parts: ServerParts;
  disk: SimulatedDisk;
  isPowered = true;
  /** Of the present process; null: there is none. */
  process: ServerProcess | null = null;
  starts = 0;
  /** What the next process speaks as, and the present one does. */
  release: Release = 'present';
  /** In force, as its files say; null: what the world gives it. */
  #committed: Configuration | null = null;
  /** Proposed, as its files say. */
  #proposed: Configuration | null = null;
  /** The longest that a step of the disk takes now. */
  stepMsMax = STEP_MS_MAX;
  readonly #registry = new AuthRegistry({ ...AUTH_DEFAULTS, superDigest: OPERATOR.digest });

  constructor(serverId: number, parts: ServerParts) {
    this.serverId = serverId;
    this.parts = parts;
    this.clock = parts.clock;
    this.disk = this.#newDisk();
  }

  #newDisk(): SimulatedDisk {
    const disk = this.parts.doubles.disk?.(this.serverId) ?? new SimulatedDisk();
    disk.onStep = (step) => {
      const { trace } = this.parts;
      const position = 'position' in step ? step.position : 0;
      trace.record(`${this.serverId} ${step.op}`, 'file' in step ? step.file : 0, position);
    };
    disk.onDone = (step) => this.parts.world.diskDone(this, step);
    return disk;
  }

  get replica(): Replica | null {
    return this.process?.replica ?? null;
  }

  /** Starts a process on what the disk has. Throws StorageError when a person has to decide. */
  start(): void {
    const { links, world, configuration, doubles, options, zab } = this.parts;
    this.isPowered = true;
    this.starts++;
    const process = new ServerProcess(this);
    process.replica = this.#newReplica(process);
    this.process = process;
    world.started(this);
    process.replica.join({
      zab: { ...zab, serverId: this.serverId, tickTimeMs: options.tickTimeMs },
      peers: links.peersOf(process),
      files: {
        committed: (committed) => {
          this.#committed = committed;
        },
        proposed: (proposed) => {
          this.#proposed = proposed;
        },
      },
      configuration: this.#committed ?? doubles.configuration?.(configuration) ?? configuration,
      proposedConfiguration: this.#proposed,
      leaderServes: true,
    });
    process.wake(0);
  }

  #newReplica(process: ServerProcess): Replica {
    const { options, replicaDice, world } = this.parts;
    const { clock, serverId } = this;
    const tell = (level: keyof Log) => (message: string) => {
      world.told(this, level, message);
    };
    return new Replica(
      { ...options, serverId },
      {
        clock,
        random: replicaDice,
        disk: new ObservedDisk(this.disk, (steps) => {
          world.submitted(this, steps);
          process.workDisk();
        }),
        log: { info: tell('info'), warn: tell('warn'), error: tell('error') },
        access: new AccessControl(this.#registry),
        credentials: new Credentials(this.#registry, null),
        metrics: createMetrics(),
        audit: null,
        elapsedMs: () => clock.nowMs,
        probe: () => null,
        isMember: true,
      },
    );
  }

  /** The process ends; what the disk keeps depends on how. */
  end(how: ProcessEnd): void {
    const { process, parts } = this;
    if (process === null) {
      return;
    }
    const withPower = how === 'power loss';
    parts.trace.record(how, this.serverId, parts.events.nowMs);
    this.process = null;
    process.isAlive = false;
    this.isPowered = !withPower;
    parts.links.ended(process, withPower);
    const ports = [...process.ports];
    for (const port of ports) {
      port.serverEnded(withPower);
    }
    if (withPower) {
      this.disk.crash(parts.dice);
    } else {
      this.disk.kill(parts.dice);
    }
    parts.world.ended(this, ports);
  }

  /** If it leads, it gives leadership away: to one server, or (null) to the best. */
  handOver(heirId: number | null): void {
    const { process } = this;
    if (process?.replica?.member?.handOver(heirId) === true) {
      this.parts.world.givesUp(this);
      process.wake(0);
    }
  }

  /**
   * A bit of the newest file of a kind turns, at this share of what has been written in it. False: there is no such
   * file.
   */
  damage(kind: 'log' | 'snapshot', place: number): boolean {
    const area = kind === 'log' ? 'log' : 'data';
    const names = this.disk.list(area).map(({ name }) => name);
    const zxidIn = (name: string) => Number.parseInt(name.split('.')[1], 16);
    const [newest] = names
      .filter((name) => name.startsWith(`${kind}.`))
      .sort((one, other) => zxidIn(other) - zxidIn(one));
    if (newest === undefined) {
      return false;
    }
    const bytes = this.disk.get(area, newest);
    const writtenBytes = bytes.findLastIndex((byte) => byte !== 0) + 1;
    if (writtenBytes > 0) {
      this.disk.damage(area, newest, Math.floor(place * writtenBytes));
    }
    return writtenBytes > 0;
  }

  /** A server that is down has accepted an epoch that is so much later than the last. */
  promiseEpoch(by: number): void {
    const name = 'acceptedEpoch';
    if (this.disk.list('data').some((file) => file.name === name)) {
      const epoch = Number(this.disk.get('data', name).toString());
      this.disk.put('data', name, Buffer.from(String(epoch + by)));
    }
  }

  /** A server that is down gets an empty disk. */
  wipe(): void {
    this.disk = this.#newDisk();
  }
}

export class ServerProcess implements Process {
  readonly server: SimulatedServer;
  readonly ports = new Set<ClientPort>();
  replica: Replica | null = null;
  isAlive = true;
  turns = 0;
  #inbox: Input[] = [];
  #isPaused = false;
  /** When the next turn comes; infinite: none is planned. */
  #wakesAtMs = Number.POSITIVE_INFINITY;
  #isDiskWorking = false;

  constructor(server: SimulatedServer) {
    this.server = server;
  }

  get serverId(): number {
    return this.server.serverId;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  push(input: Input): void {
    if (this.isAlive) {
      this.#inbox.push(input);
      this.wake(this.server.parts.dice.next() * TURN_DELAY_MS_MAX);
    }
  }

  /** The process stands still until `resume`; its system goes on. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.wake(0);
  }

  wake(delayMs: number): void {
    const { events } = this.server.parts;
    const atMs = events.nowMs + delayMs;
    if (atMs < this.#wakesAtMs) {
      this.#wakesAtMs = atMs;
      events.after(delayMs, () => {
        if (this.#wakesAtMs === atMs) {
          this.#wakesAtMs = Number.POSITIVE_INFINITY;
          this.#turn();
        }
      });
    }
  }

  #turn(): void {
    const { server, replica } = this;
    if (!this.isAlive || this.#isPaused || replica === null) {
      return;
    }
    const { parts, clock } = server;
    const inputs = this.#inbox;
    this.#inbox = [];
    this.turns++;
    parts.trace.record(`turn ${this.serverId}`, parts.events.nowMs, inputs.length);
    const isMore = replica.turn(inputs);
    for (const input of inputs) {
      if (input.kind === 'client-gone') {
        (input.connection as ClientPort['connection']).closed = true;
      }
    }
    parts.world.turned(server);
    if (!this.isAlive) {
      return;
    }
    if (replica.failure !== null) {
      parts.world.failed(server);
      return;
    }
    const deadlineMs = clock.untilMs(replica.deadlineMs) + WAKE_LATE_MS;
    this.wake(isMore ? WAKE_LATE_MS : Math.min(deadlineMs, parts.options.tickTimeMs / HEARTBEATS_A_TICK));
  }

  /** The disk goes on with what it was asked to do, one step after the other. */
  workDisk(): void {
    if (this.#isDiskWorking) {
      return;
    }
    this.#isDiskWorking = true;
    const { server } = this;
    const { events, dice } = server.parts;
    events.after(dice.next() * server.stepMsMax, () => {
      this.#isDiskWorking = false;
      if (!this.isAlive) {
        return;
      }
      const completion = server.disk.step(dice);
      if (completion !== null) {
        this.push(completion);
      }
      if (server.disk.batchesInFlight > 0) {
        this.workDisk();
      }
    });
  }
}
