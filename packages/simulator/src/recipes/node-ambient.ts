/**
 * Time, timers and chance for programs that take them from Node, as the client and the recipes do. While a simulation
 * runs, whoever asks within a simulated program gets the simulated ones; everybody else gets the real ones.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';
import { AmbientAccess } from '../ambient.ts';

/** Something that was going to happen, and can be called off. */
export interface Appointment {
  cancel(): void;
}

/** What a program finds around it. */
export interface Surroundings {
  readonly nowMs: number;
  readonly wallMs: number;
  /** 0 ≤ chance < 1. */
  chance(): number;
  after(delayMs: number, call: () => void): Appointment;
}

type Replaceable = Record<string, unknown>;
type Call = (...parameters: unknown[]) => void;

const surroundings = new AsyncLocalStorage<Surroundings>();

/** Runs `action`, and all that comes of it, with these surroundings. */
export function surroundedBy<T>(around: Surroundings, action: () => T): T {
  return surroundings.run(around, action);
}

/** A timer as Node's: it can be told not to keep the process alive, and cleared. */
class SimulatedTimer {
  readonly #appointment: Appointment;

  constructor(around: Surroundings, delayMs: number, call: () => void) {
    this.#appointment = around.after(Math.max(0, delayMs), call);
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  clear(): void {
    this.#appointment.cancel();
  }
}

/** Makes what stands in for a function of Node: it is told whose surroundings are meant. */
type Double = (around: Surroundings) => (...parameters: never[]) => unknown;

const forbidden =
  (what: string): Double =>
  () =>
  () => {
    throw new AmbientAccess(what);
  };

function timer(around: Surroundings, call: Call, delayMs: number, parameters: unknown[]): SimulatedTimer {
  return new SimulatedTimer(around, delayMs, () => call(...parameters));
}

/** Of a signal or reference nobody here makes use. */
function sleep(around: Surroundings, delayMs: number, value: unknown): Promise<unknown> {
  return new Promise((resolve) => void around.after(delayMs, () => resolve(value)));
}

function bytesOfChance(around: Surroundings, count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, () => Math.floor(around.chance() * 256)));
}

function uuid(around: Surroundings): string {
  const hex = bytesOfChance(around, 16).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20)].join('-');
}

const DOUBLES: readonly (readonly [holder: object, name: string, double: Double])[] = [
  [
    globalThis,
    'setTimeout',
    (around) =>
      (call: Call, delayMs = 1, ...rest: unknown[]) =>
        timer(around, call, delayMs, rest),
  ],
  [
    globalThis,
    'setImmediate',
    (around) =>
      (call: Call, ...rest: unknown[]) =>
        timer(around, call, 0, rest),
  ],
  [globalThis, 'setInterval', forbidden('setInterval')],
  [Date, 'now', (around) => () => around.wallMs],
  [Math, 'random', (around) => () => around.chance()],
  [performance, 'now', (around) => () => around.nowMs],
  [AbortSignal, 'timeout', forbidden('AbortSignal.timeout')],
  [timersPromises, 'setTimeout', (around) => (delayMs: number, value: unknown) => sleep(around, delayMs, value)],
  [crypto, 'randomUUID', (around) => () => uuid(around)],
  [crypto, 'randomBytes', (around) => (count: number) => bytesOfChance(around, count)],
];

/** Runs `action` with the doubles in place; not two at a time. */
export async function withSimulatedAmbient<T>(action: () => Promise<T>): Promise<T> {
  const undo: (() => void)[] = DOUBLES.map(([holder, name, double]) => replace(holder as Replaceable, name, double));
  undo.push(replaceClearing());
  syncBuiltinESMExports(); // `import { randomUUID } from 'node:crypto'` is replaced as well
  try {
    return await action();
  } finally {
    for (const restore of undo.reverse()) {
      restore();
    }
    syncBuiltinESMExports();
  }
}

function replace(holder: Replaceable, name: string, double: Double): () => void {
  const before = Object.getOwnPropertyDescriptor(holder, name);
  const real = holder[name] as (...parameters: unknown[]) => unknown;
  const value = function (this: unknown, ...parameters: unknown[]): unknown {
    const around = surroundings.getStore();
    return around === undefined
      ? Reflect.apply(real, this, parameters)
      : (double(around) as (...parameters: unknown[]) => unknown)(...parameters);
  };
  Object.defineProperty(holder, name, { value, configurable: true, writable: true });
  return () => {
    if (before === undefined) {
      delete holder[name]; // it was inherited
    } else {
      Object.defineProperty(holder, name, before);
    }
  };
}

/** A timer is cleared as what it is, wherever that is done. */
function replaceClearing(): () => void {
  const real = globalThis.clearTimeout;
  globalThis.clearTimeout = (cleared) => {
    if ((cleared as unknown) instanceof SimulatedTimer) {
      (cleared as unknown as SimulatedTimer).clear();
    } else {
      real(cleared);
    }
  };
  return () => {
    globalThis.clearTimeout = real;
  };
}
