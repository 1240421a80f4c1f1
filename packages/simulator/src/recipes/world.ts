/**
 * A server's replica, and programs that use it through the real client: the network between them, time, and what can
 * happen to them. Everything is an event of one timeline; between two events all promises that can go on have done so.
 */
import type { TransportEvents } from '@treekeeper/client';
import type { Input } from '@treekeeper/server/internal';
import { Violation } from '../checkers/violation.ts';
import { Dice } from '../dice.ts';
import { StandaloneWorld, simulatedOptions } from '../standalone-world.ts';
import type { Trace } from '../trace.ts';
import type { Appointment } from './node-ambient.ts';
import { Pipe } from './pipe.ts';
import type { RecipePlan } from './plan.ts';
import { Program } from './program.ts';
import { type Owner, Timeline } from './timeline.ts';

/** Node's own, whatever stands in for it. */
const visitEventLoop = setImmediate;

/** So often a server has something to do that nobody asks for. */
const TICK_MS = 100;
const FIRST_PORT = 40_000;

export class RecipeWorld {
  readonly plan: RecipePlan;
  readonly trace: Trace;
  readonly dice: Dice;
  /** How often each thing has happened. */
  readonly happened = new Map<string, number>();
  readonly programs = new Map<string, Program>();
  /** Told after each turn of the server. */
  onTurn: () => void = () => undefined;
  /** What a program's main function is. */
  main: (program: Program) => Promise<void> = async () => undefined;
  /** No program begins anything new. */
  isClosing = false;
  /** No fault happens any more. */
  isHealed = false;
  readonly #server: StandaloneWorld;
  readonly #timeline: Timeline;
  readonly #pipes = new Set<Pipe>();
  readonly #resting = new Set<Program>();
  #nextPort = FIRST_PORT;
  #isServing = true;
  #isTurnDue = false;
  #isDiskDue = false;
  #fullUntilMs = 0;
  #failure: Error | null = null;

  constructor(seed: number, plan: RecipePlan, trace: Trace) {
    this.plan = plan;
    this.trace = trace;
    this.dice = new Dice(seed, 'network');
    const { minSessionTimeoutMs } = simulatedOptions;
    this.#server = new StandaloneWorld({
      seed,
      replica: {
        tickTimeMs: 500,
        minSessionTimeoutMs,
        reaper: { checkIntervalMs: 5000, maxPerMinute: 10_000, maxNeverUsedIntervalMs: 300_000 },
      },
    });
    this.#timeline = new Timeline(this.#server.clock);
    this.#tick();
  }

  get nowMs(): number {
    return this.#server.clock.nowMs;
  }

  get wallMs(): number {
    return this.#server.clock.wallMs;
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  get transactions(): number {
    return this.#server.replica.world.tree.lastZxid;
  }

  after(delayMs: number, run: () => void, owner: Owner | null = null): Appointment {
    return this.#timeline.after(delayMs, run, owner);
  }

  tell(line: () => string): void {
    if (this.trace.isTold) {
      this.trace.tell(`${String(this.nowMs - 1_000_000).padStart(7)} ${line()}`);
    }
  }

  count(what: string): void {
    this.happened.set(what, (this.happened.get(what) ?? 0) + 1);
  }

  fail(failure: unknown): void {
    this.#failure ??= failure instanceof Error ? failure : new Error(String(failure));
  }

  /** Lets things happen until something is so; false: it was not within `limitMs`. Throws what somebody has failed with. */
  async runUntil(isSo: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.nowMs + limitMs;
    while (!isSo()) {
      if (this.nowMs >= endMs || !this.#timeline.next()) {
        return false;
      }
      await new Promise<void>((resolve) => visitEventLoop(resolve));
      if (this.#failure !== null) {
        throw this.#failure;
      }
    }
    return true;
  }

  // The network

  connect(program: Program, events: TransportEvents): Pipe {
    const pipe = new Pipe(this, program, this.#nextPort++, events);
    this.#pipes.add(pipe);
    return pipe;
  }

  delayMs(_program: Program): number {
    return this.dice.between(0, this.plan.delayMaxMs);
  }

  partOf(length: number): number {
    return length > 1 && this.dice.chance(this.plan.chopped) ? this.dice.between(1, length - 1) : length;
  }

  get pipes(): readonly Pipe[] {
    return [...this.#pipes];
  }

  // Programs

  start(name: string): Program {
    const program = new Program(this, name, (this.programs.get(name)?.runs ?? 0) + 1);
    this.programs.set(name, program);
    this.tell(() => `${name} starts, run ${program.runs}`);
    program
      .run(() => this.main(program))
      .then(
        () => this.#onEnd(program),
        (error: unknown) => this.fail(error),
      );
    return program;
  }

  #onEnd(program: Program): void {
    if (this.isClosing) {
      this.#resting.add(program);
    } else {
      this.fail(new Violation('progress', `${program.name} has ended before its time`));
    }
  }

  /** Asks all programs to come to an end. */
  close(): void {
    this.tell(() => 'closing');
    this.isClosing = true;
    for (const program of this.programs.values()) {
      program.after(0, () => program.closing.abort());
    }
  }

  get isAtRest(): boolean {
    return [...this.programs.values()].every((program) => this.#resting.has(program));
  }

  /** Those whose main function has not come to its end. */
  get busy(): readonly string[] {
    return [...this.programs.values()].filter((program) => !this.#resting.has(program)).map(({ name }) => name);
  }

  kill(program: Program): void {
    this.tell(() => `${program.name} is killed`);
    program.isDead = true;
    program.diedMs = this.nowMs;
    for (const pipe of this.#pipes) {
      if (pipe.program === program) {
        pipe.cut();
      }
    }
  }

  // The server

  push(input: Input): void {
    if (this.#isServing) {
      this.#server.push(input);
      if (input.kind === 'client-data') {
        this.trace.record('up', input.connection.remotePort, this.nowMs, input.bytes);
      }
      this.#turnSoon();
    }
  }

  #turnSoon(): void {
    if (!this.#isTurnDue) {
      this.#isTurnDue = true;
      this.after(this.dice.between(0, 1), () => {
        this.#isTurnDue = false;
        this.#turn();
      });
    }
  }

  #tick(): void {
    this.after(TICK_MS, () => {
      this.#turn();
      this.#tick();
    });
  }

  #turn(): void {
    if (!this.#isServing) {
      return;
    }
    this.#server.turn();
    for (const pipe of this.#pipes) {
      pipe.turned();
      if (pipe.isDone) {
        this.#pipes.delete(pipe);
      }
    }
    this.#stepDisk();
    this.#guarded(this.onTurn);
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.fail(error);
    }
  }

  #stepDisk(): void {
    const { disk } = this.#server;
    if (this.#isDiskDue || disk.batchesInFlight === 0) {
      return;
    }
    this.#isDiskDue = true;
    this.after(this.dice.between(0, this.plan.diskMaxMs), () => {
      this.#isDiskDue = false;
      const completion = this.#isServing ? disk.step(this.dice) : null;
      if (completion !== null) {
        this.push(completion);
      }
      if (this.#isServing) {
        this.#stepDisk();
      }
    });
  }

  /** No room is left; the server takes no writes. */
  fillDisk(forMs: number): void {
    this.tell(() => `the disk is full for ${forMs} ms`);
    this.#server.disk.full = true;
    this.#fullUntilMs = Math.max(this.#fullUntilMs, this.nowMs + forMs);
    this.after(forMs, () => {
      if (this.nowMs >= this.#fullUntilMs) {
        this.emptyDisk();
      }
    });
  }

  emptyDisk(): void {
    this.#server.disk.full = false;
  }

  /** The server's process ends, and is there again after a while. */
  endServer(end: 'kill' | 'power loss', downMs: number): void {
    if (!this.#isServing) {
      return;
    }
    this.tell(() => `server: ${end}, for ${downMs} ms`);
    this.#isServing = false;
    for (const pipe of this.#pipes) {
      pipe.serverEnded();
    }
    this.after(downMs, () => {
      if (end === 'kill') {
        this.#server.kill();
      } else {
        this.#server.crash();
      }
      this.#isServing = true;
      this.tell(() => `server: starts again, zxid ${this.transactions}`);
      this.#turnSoon();
    });
  }

  // What the judges see: the tree as the server has it

  children(path: string): string[] {
    const { tree } = this.#server.replica.world;
    const node = tree.find(path);
    return node === 0 ? [] : tree.children(node);
  }

  data(path: string): string | null {
    const { tree } = this.#server.replica.world;
    const node = tree.find(path);
    return node === 0 ? null : Buffer.from(tree.data(node) ?? []).toString();
  }

  czxid(path: string): number {
    const { tree } = this.#server.replica.world;
    return tree.czxid(tree.find(path));
  }
}
