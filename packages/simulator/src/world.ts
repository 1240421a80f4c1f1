/**
 * A replica in a world that can fail: its process, its disk, its clock and the network to its clients. The world does
 * what it is told, one small step at a time; when something happens is for the schedule (simulation.ts) to say.
 */
import {
  AccessControl,
  AUTH_DEFAULTS,
  AuthRegistry,
  type Clock,
  Credentials,
  createMetrics,
  type DiskStep,
  type Input,
  type Log,
  Replica,
  type ReplicaOptions,
} from '@treekeeper/server/internal';
import { check } from './checkers/violation.ts';
import { SimulatedClock } from './clock.ts';
import { SimulatedConnection } from './connection.ts';
import { Coverage } from './coverage.ts';
import type { Dice } from './dice.ts';
import { SimulatedDisk } from './disk.ts';
import type { Plan } from './faults.ts';
import { describeTxn } from './history.ts';
import { Link } from './link.ts';
import { ObservedDisk } from './observed-disk.ts';
import { Referee } from './referee.ts';
import { damageNewestSnapshot } from './snapshot-damage.ts';
import type { Trace } from './trace.ts';
import type { ClientConnection, ClientWorld, WorkloadClient } from './workload-client.ts';

/** Stand-ins for parts of the world: with a bug planted in one of them, the checkers must find it. */
export interface Doubles {
  readonly disk?: (options: { readonly sharedDirectory: boolean }) => SimulatedDisk;
  readonly connection?: (port: number) => SimulatedConnection;
  readonly clock?: (clock: SimulatedClock) => Clock;
  readonly access?: (access: AccessControl) => AccessControl;
}

/** How a process ends. */
export type End = 'power loss' | 'kill' | 'failed disk' | 'clean stop';

/** How long a server may take to stop, ms. */
const STOPPING_MS_MAX = 5000;

export class World implements ClientWorld {
  readonly clock = new SimulatedClock();
  readonly startMs = this.clock.nowMs;
  readonly referee: Referee;
  readonly disk: SimulatedDisk;
  readonly links = new Set<Link>();
  readonly coverage = new Coverage();
  settings: ReplicaOptions;
  replica: Replica;
  restarts = 0;
  readonly #plan: Plan;
  readonly #trace: Trace;
  readonly #doubles: Doubles;
  readonly #diskDice: Dice;
  readonly #replicaDice: Dice;
  readonly #registry = new AuthRegistry(AUTH_DEFAULTS);
  readonly #log: Log;
  #inbox: Input[] = [];
  #lastTurnMs = -1;
  #isStopping = false;
  #nextPort = 40_000;
  #errors: string[] = [];
  readonly #damaged = new Set<string>();

  constructor(plan: Plan, trace: Trace, dice: { disk: Dice; replica: Dice }, doubles: Doubles) {
    this.#plan = plan;
    this.#trace = trace;
    this.#doubles = doubles;
    this.#diskDice = dice.disk;
    this.#replicaDice = dice.replica;
    this.settings = plan.settings;
    this.referee = new Referee(plan.settings, this.coverage);
    const { sharedDirectory } = plan;
    this.disk = doubles.disk?.({ sharedDirectory }) ?? new SimulatedDisk({ sharedDirectory });
    this.disk.onStep = (step) => this.#diskStepped(step);
    this.#log = {
      info: (message) => this.#told(message),
      warn: (message) => this.#told(message),
      error: (message) => {
        this.#errors.push(message);
        this.#told(message);
      },
    };
    this.referee.wallClockIs(this.clock.wallMs - this.clock.nowMs, this.clock.nowMs);
    this.replica = this.#start();
    this.referee.restarted(this.replica, this.clock.nowMs);
  }

  get nowMs(): number {
    return this.clock.nowMs;
  }

  /** Nothing has come in and no time has passed since the last turn: another would do nothing. */
  get isStill(): boolean {
    return this.#inbox.length === 0 && this.#lastTurnMs === this.clock.nowMs;
  }

  #told(message: string): void {
    this.coverage.told(message);
    this.#trace.tell(`  says: ${message}`);
  }

  #newObservedDisk(): ObservedDisk {
    return new ObservedDisk(this.disk, (steps) => {
      for (const logged of this.referee.submitted(steps, this.nowMs)) {
        if (this.#trace.isTold) {
          this.#trace.tell(`  logs ${describeTxn(logged)}`);
        }
      }
    });
  }

  #start(disk = this.#newObservedDisk()): Replica {
    const { clock } = this;
    const access = new AccessControl(this.#registry);
    return new Replica(this.settings, {
      clock: this.#doubles.clock?.(clock) ?? clock,
      random: this.#replicaDice,
      disk,
      log: this.#log,
      access: this.#doubles.access?.(access) ?? access,
      credentials: new Credentials(this.#registry, null),
      metrics: createMetrics(),
      audit: null,
      elapsedMs: () => clock.nowMs,
      probe: () => null,
    });
  }

  tell(line: string): void {
    this.#trace.tell(line);
  }

  // Clients and the network

  connect(client: WorkloadClient): Link {
    const port = this.#nextPort++;
    const connection = this.#doubles.connection?.(port) ?? new SimulatedConnection(port);
    const link = new Link(client, connection, this.referee.connected(port));
    this.links.add(link);
    return link;
  }

  /** Some bytes of the client reach the server. */
  deliverUp(link: Link, dice: Dice | null): void {
    if (link.canDeliver) {
      this.#inbox.push(link.takeUp(dice));
      link.view.deliveredThrough(link.deliveredBytes, this.nowMs);
    }
  }

  /** Some bytes of the server reach the client; after the last ones it hears that the connection is closed. */
  deliverDown(link: Link, dice: Dice | null): void {
    const { owner, connection } = link;
    if (!connection.blocked && link.hasDown) {
      owner.receive(link.client as ClientConnection, link.takeDown(dice));
    }
    if ((connection.closed || link.isCut) && !link.hasDown) {
      owner.disconnected(link.client as ClientConnection);
      if (link.view.ended && link.serverKnowsEnd) {
        this.links.delete(link);
      }
    }
  }

  /** The connection breaks. What the client had sent may have reached the server, which hears of it later. */
  cut(link: Link, dice: Dice): void {
    const { connection } = link;
    if (connection.closed || link.isCut) {
      return;
    }
    this.#trace.tell(`connection ${connection.remotePort} is cut`);
    if (dice.chance(0.5)) {
      this.deliverUp(link, dice);
    }
    link.isCut = true;
    connection.blocked = false;
    if (dice.chance(0.5)) {
      link.dropDown();
    }
  }

  /** The server hears of an end that it has not heard of. */
  tellEnd(link: Link): void {
    const { connection } = link;
    if ((connection.closed || link.isCut) && !link.serverKnowsEnd) {
      link.serverKnowsEnd = true;
      this.#inbox.push({ kind: 'client-gone', connection });
    }
  }

  /** The client stops reading, or goes on. */
  setBlocked(link: Link, blocked: boolean): void {
    const { connection } = link;
    if (connection.closed || link.isCut || connection.blocked === blocked) {
      return;
    }
    if (blocked) {
      connection.blocked = true;
    } else {
      const hadUnsent = connection.unsentBytes > 0;
      const fact = () => `a buffer handed to connection ${connection.remotePort} was used again`;
      check(connection.unblock(), 'buffers', fact);
      if (hadUnsent) {
        this.#inbox.push({ kind: 'client-drained', connection });
      }
    }
  }

  // The process

  /** One turn over what has come in. Ends the process if it says that it must stop. */
  turn(): void {
    const inputs = this.#inbox;
    this.#inbox = [];
    const { nowMs } = this.clock;
    this.#lastTurnMs = nowMs;
    this.#trace.record('turn', nowMs, inputs.length);
    if (this.#trace.isTold) {
      this.#trace.tell(`turn at ${nowMs} ms: ${inputs.map(describeInput).join(', ')}`);
    }
    this.replica.turn(inputs);
    for (const input of inputs) {
      if (input.kind === 'client-gone') {
        (input.connection as SimulatedConnection).closed = true;
      }
    }
    this.referee.turned(this.replica, this.#takeOutputs(), nowMs);
    for (const link of this.links) {
      if (link.connection.closed && !link.view.ended) {
        this.#trace.tell(`connection ${link.connection.remotePort} is closed`);
        link.connection.blocked = false;
        this.referee.ended(link.view);
      }
    }
    this.referee.checkNothingOverdue();
    const complaint = this.#errors.find((message) => message.includes('digest'));
    check(complaint === undefined, 'digest', () => `${complaint}`);
    if (this.replica.failure !== null && !this.#isStopping) {
      this.restart('failed disk', this.#diskDice);
    }
  }

  #takeOutputs(): { view: Link['view']; bytes: Buffer }[] {
    const outputs: { view: Link['view']; bytes: Buffer }[] = [];
    for (const link of this.links) {
      if (link.connection.hasWritten) {
        const bytes = link.connection.take();
        const port = link.connection.remotePort;
        this.#trace.record('write', port, 0, bytes);
        this.#trace.tell(`  writes ${bytes.length} bytes to ${port}`);
        if (!link.isCut) {
          link.written(bytes);
        }
        outputs.push({ view: link.view, bytes });
      }
    }
    return outputs;
  }

  /** The disk does one step of some batch. */
  stepDisk(dice: Dice): void {
    const completion = this.disk.step(dice);
    if (completion !== null) {
      this.#inbox.push(completion);
    }
  }

  /** The disk does everything it was asked to, in order. */
  drainDisk(): void {
    this.#inbox.push(...this.disk.drain());
  }

  #diskStepped(step: DiskStep): void {
    const file = 'file' in step ? step.file : 0;
    const bytes = 'bytes' in step ? step.bytes : undefined;
    const name = 'name' in step ? step.name : 'to' in step ? step.to : '';
    this.#trace.record(step.op + name, file, 'position' in step ? step.position : 0, bytes);
    if (this.#trace.isTold) {
      this.#trace.tell(`  disk: ${step.op} ${name} file ${file}, ${bytes?.length ?? 0} bytes`);
    }
  }

  advance(ms: number): void {
    this.clock.advance(ms);
  }

  jumpWallClock(ms: number): void {
    this.clock.wallMs += ms;
    this.referee.wallClockIs(this.clock.wallMs - this.clock.nowMs, this.clock.nowMs);
  }

  /** The process ends and is started again on what the disk has kept. */
  restart(end: End, dice: Dice, settings = this.settings): void {
    if (end === 'clean stop') {
      this.#finish();
    }
    this.#stop(end);
    if (settings !== this.settings) {
      this.coverage.happened('settings changed');
      this.settings = settings;
    }
    const { faults } = this.#plan;
    let expectsDamage = this.#damaged.size > 0;
    if (dice.chance(faults.damagedSnapshot)) {
      const name = damageNewestSnapshot(this.disk, dice, this.#damaged);
      if (name !== null) {
        this.#damaged.add(name);
        this.coverage.happened('snapshot damaged');
        this.#trace.tell(`${name} is damaged`);
        expectsDamage = true;
      }
    }
    for (let again = dice.chance(faults.powerLossInRecovery); again; again = dice.chance(0.3)) {
      this.#loseDuringRecovery(dice);
    }
    this.#errors = [];
    this.replica = this.#start();
    const [error] = this.#errors;
    check(error === undefined || expectsDamage, 'recovery', () => `it complained: ${error}`);
    this.#trace.tell(`recovered through zxid ${this.replica.world.tree.lastZxid}`);
    this.referee.restarted(this.replica, this.nowMs);
  }

  /** As the host ends a server: no more requests are read, and what is on its way to the log is finished. */
  #finish(): void {
    this.#isStopping = true;
    this.replica.stop();
    const deadlineMs = this.nowMs + STOPPING_MS_MAX;
    while (!this.replica.stopped && this.nowMs < deadlineMs) {
      this.turn();
      this.drainDisk();
      this.advance(10);
    }
    this.#isStopping = false;
    const { stopped, failure, writesRefused } = this.replica;
    check(stopped || this.disk.full, 'progress', () => 'the server does not stop');
    if (stopped && failure === null && !writesRefused) {
      this.referee.allIsDurable();
    }
  }

  #loseDuringRecovery(dice: Dice): void {
    this.coverage.happened('power loss in recovery');
    const disk = this.#newObservedDisk();
    disk.callsLeft = dice.below(40); // perhaps it is done before that
    try {
      this.#start(disk);
    } catch (error) {
      if (!disk.powerFailed) {
        throw error;
      }
    }
    this.#stop('power loss');
  }

  #stop(end: End): void {
    const { disk } = this;
    this.restarts++;
    this.coverage.happened(end);
    this.#trace.record(end, this.nowMs, 0);
    this.#trace.tell(
      `${end} at ${this.nowMs} ms; zxid ${this.referee.seenZxid} was seen, ${this.referee.history.lastZxid} logged`,
    );
    if (end === 'power loss') {
      disk.crash(this.#diskDice);
    } else {
      disk.kill(this.#diskDice);
    }
    this.#inbox = [];
    this.#lastTurnMs = -1;
    for (const link of this.links) {
      link.connection.closed = true;
      link.connection.blocked = false;
      link.serverKnowsEnd = true;
      this.referee.ended(link.view);
    }
    this.clock.advance(1 + this.#diskDice.below(3000));
  }
}

function describeInput(input: Input): string {
  switch (input.kind) {
    case 'disk':
      return `batch ${input.ticket} ${input.error?.kind ?? 'done'}`;
    case 'client-data':
      return `${input.bytes.length} bytes of ${input.connection.remotePort}`;
    default:
      return 'connection' in input ? `${input.kind} ${input.connection.remotePort}` : input.kind;
  }
}
