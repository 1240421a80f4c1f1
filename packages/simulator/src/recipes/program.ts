/** A simulated program: a Node process with a client or more, which can be paused, cut off and killed. */
import { type Client, type ConnectOptions, connect, isTreekeeperError } from '@treekeeper/client';
import { type Appointment, type Surroundings, surroundedBy } from './node-ambient.ts';
import type { Owner } from './timeline.ts';
import type { RecipeWorld } from './world.ts';

/** So long nobody tries in vain. */
const CONNECT_MS = 60_000;

export class Program implements Surroundings, Owner {
  readonly name: string;
  /** 1 for the first run of that name. */
  readonly runs: number;
  readonly world: RecipeWorld;
  /** Fires when it is to come to its end. */
  readonly closing = new AbortController();
  isDead = false;
  diedMs = Number.POSITIVE_INFINITY;
  pausedUntilMs = 0;
  cutOffUntilMs = 0;

  constructor(world: RecipeWorld, name: string, run: number) {
    this.world = world;
    this.name = name;
    this.runs = run;
  }

  get nowMs(): number {
    return this.world.nowMs;
  }

  get wallMs(): number {
    return this.world.wallMs;
  }

  get isCutOff(): boolean {
    return this.cutOffUntilMs > this.nowMs;
  }

  chance(): number {
    return this.world.dice.next();
  }

  after(delayMs: number, call: () => void): Appointment {
    return this.world.after(delayMs, () => this.run(call), this);
  }

  /** Runs something as this program. */
  run<T>(action: () => T): T {
    return surroundedBy(this, action);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  /** A client of the simulated server; tries until there is one. */
  async connect(options: ConnectOptions = {}): Promise<Client> {
    for (;;) {
      try {
        return await connect('server:2181', {
          sessionTimeoutMs: this.world.plan.sessionTimeoutMs,
          connectTimeoutMs: CONNECT_MS,
          resolver: async (host) => [host],
          transport: { connect: (_target, events) => this.world.connect(this, events) },
          ...options,
        });
      } catch (error) {
        if (!isTreekeeperError(error, 'CONNECT_FAILED')) {
          throw error;
        }
      }
    }
  }
}
