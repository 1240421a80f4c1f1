/** A connection of a program's client: both directions take their time, arrive in pieces, and break at any byte. */
import type { TransportConnection, TransportEvents } from '@treekeeper/client';
import { SimulatedConnection } from '../connection.ts';
import type { Program } from './program.ts';
import type { RecipeWorld } from './world.ts';

const NOTHING = Buffer.alloc(0);
/** The server reads no more for now. */
const PAUSED_MS = 10;

export class Pipe implements TransportConnection {
  readonly program: Program;
  /** The server's end. */
  readonly connection: SimulatedConnection;
  readonly #world: RecipeWorld;
  readonly #events: TransportEvents;
  #up: Buffer = NOTHING;
  #down: Buffer = NOTHING;
  #isUpDue = false;
  #isDownDue = false;
  #isOpen = false;
  /** Nothing goes through any more. */
  #isCut = false;
  /** The client has closed it, or heard that it is closed. */
  #isOver = false;
  #serverKnowsEnd = false;

  constructor(world: RecipeWorld, program: Program, port: number, events: TransportEvents) {
    this.#world = world;
    this.program = program;
    this.#events = events;
    this.connection = new SimulatedConnection(port);
    world.after(this.#delayMs(), () => this.#arrive());
  }

  /** It is of no more use to anybody. */
  get isDone(): boolean {
    return this.#isOver && (this.#serverKnowsEnd || this.connection.closed || !this.#isOpen);
  }

  write(bytes: Uint8Array): void {
    this.#up = Buffer.concat([this.#up, bytes]);
    this.#sendUp();
  }

  close(): void {
    this.#isOver = true;
    this.#world.after(this.#delayMs() + this.#world.plan.delayMaxMs, () => this.tellServer());
  }

  destroy(): void {
    this.#isOver = true;
    this.#world.after(this.#delayMs(), () => this.tellServer());
  }

  /** Breaks; of what is on its way a part may still arrive, perhaps half a frame. */
  cut(): void {
    if (this.#isCut) {
      return;
    }
    const { dice } = this.#world;
    this.#deliverUp(dice.below(this.#up.length + 1));
    this.#isCut = true;
    this.#world.after(this.#delayMs(), () => this.tellServer());
    const rest = this.#down.subarray(0, dice.below(this.#down.length + 1));
    this.#tellClientLater(rest, new Error('the connection was reset'));
  }

  /** The server's process has ended. */
  serverEnded(): void {
    this.connection.closed = true;
    this.#serverKnowsEnd = true;
    this.#isCut = true;
    this.#tellClientLater(NOTHING, new Error('the connection was reset'));
  }

  /** A turn of the server is over: takes what it wrote. */
  turned(): void {
    if (this.connection.hasWritten) {
      const bytes = this.connection.take();
      this.#world.trace.record('down', this.connection.remotePort, this.#world.nowMs, bytes);
      if (!this.#isCut && !this.#isOver) {
        this.#down = Buffer.concat([this.#down, bytes]);
      }
    }
    this.#sendDown();
  }

  tellServer(): void {
    if (!this.#serverKnowsEnd && this.#isOpen) {
      this.#serverKnowsEnd = true;
      this.#isCut = true;
      if (!this.connection.closed) {
        this.#world.push({ kind: 'client-gone', connection: this.connection });
        this.connection.closed = true;
      }
    }
  }

  #delayMs(): number {
    return this.#world.delayMs(this.program);
  }

  /** What is sent while nothing gets through is sent again. */
  #waitMs(): number {
    return Math.max(0, this.program.cutOffUntilMs - this.#world.nowMs) + this.#delayMs();
  }

  get #isBlocked(): boolean {
    return this.program.isCutOff;
  }

  #arrive(): void {
    if (this.#isOver) {
      return;
    }
    if (!this.#world.isServing && !this.#isBlocked) {
      this.#isCut = true;
      this.#tellClientLater(NOTHING, new Error('connection refused'));
    } else if (!this.#isBlocked) {
      this.#isOpen = true;
      this.#world.push({ kind: 'client-open', connection: this.connection });
      this.#world.after(
        this.#delayMs(),
        () => this.#isOver || this.program.run(() => this.#events.opened()),
        this.program,
      );
    } // else: nobody answers
  }

  #sendUp(): void {
    if (!this.#isUpDue && this.#up.length > 0) {
      this.#isUpDue = true;
      this.#world.after(this.#waitMs() + (this.connection.paused ? PAUSED_MS : 0), () => {
        this.#isUpDue = false;
        if (!this.#isBlocked && !this.connection.paused) {
          this.#deliverUp(this.#world.partOf(this.#up.length));
        }
        // Behind a connection that the server has closed the rest would be sent for ever.
        if (!this.#isCut && !this.connection.closed) {
          this.#sendUp();
        }
      });
    }
  }

  #deliverUp(count: number): void {
    if (count > 0 && this.#isOpen && !this.#isCut && !this.connection.closed && !this.#isBlocked) {
      const bytes = Buffer.from(this.#up.subarray(0, count));
      this.#up = this.#up.subarray(count);
      this.#world.push({ kind: 'client-data', connection: this.connection, bytes });
    }
  }

  #sendDown(): void {
    const isEnding = this.connection.closed && !this.#isCut;
    if (this.#isDownDue || this.#isOver || (this.#down.length === 0 && !isEnding)) {
      return;
    }
    this.#isDownDue = true;
    const deliver = (): void => {
      this.#isDownDue = false;
      if (this.#isCut || this.#isOver) {
        return;
      }
      if (!this.#isBlocked) {
        const count = this.#world.partOf(this.#down.length);
        const bytes = this.#down.subarray(0, count);
        this.#down = this.#down.subarray(count);
        if (this.#down.length === 0 && this.connection.closed) {
          this.#serverKnowsEnd = true;
          this.#tellClient(bytes, null);
        } else {
          this.#receive(bytes);
        }
      }
      this.#sendDown();
    };
    this.#world.after(this.#waitMs(), deliver, this.program);
  }

  #receive(bytes: Buffer): void {
    if (bytes.length > 0 && !this.#isOver) {
      this.program.run(() => this.#events.received(bytes));
    }
  }

  #tellClientLater(rest: Buffer, reason: Error | null): void {
    this.#world.after(this.#delayMs(), () => this.#tellClient(rest, reason), this.program);
  }

  #tellClient(rest: Buffer, reason: Error | null): void {
    this.#receive(rest);
    if (!this.#isOver) {
      this.#isOver = true;
      this.program.run(() => this.#events.closed(reason));
    }
  }
}
