/**
 * Time and chance that do not come through the seams would make a run irreproducible. While a simulation runs they
 * throw, whoever asks.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** Somebody asked the real world for something. */
export class AmbientAccess extends Error {
  override readonly name = 'AmbientAccess';

  constructor(what: string) {
    super(`${what} was called in a simulation: time, chance and waiting come through the seams only`);
  }
}

type Replaceable = Record<string, unknown>;

const FORBIDDEN: readonly (readonly [holder: object, prefix: string, names: readonly string[]])[] = [
  [globalThis, '', ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'Date']],
  [Date, 'Date.', ['now']],
  [Math, 'Math.', ['random']],
  [performance, 'performance.', ['now']],
  [process, 'process.', ['hrtime', 'nextTick', 'uptime']],
  [crypto, 'crypto.', ['randomBytes', 'randomInt', 'randomUUID', 'randomFillSync', 'randomFill']],
  [crypto.webcrypto, 'crypto.', ['getRandomValues', 'randomUUID']],
];

/** Runs `action`, which must be synchronous, with the real clock, timers and randomness out of reach. */
export function withoutAmbient<T>(action: () => T): T {
  const undo: (() => void)[] = [];
  for (const [holder, prefix, names] of FORBIDDEN) {
    for (const name of names) {
      undo.push(forbid(holder as Replaceable, name, prefix + name));
    }
  }
  syncBuiltinESMExports(); // `import { randomBytes } from 'node:crypto'` is replaced as well
  try {
    return action();
  } finally {
    for (const restore of undo.reverse()) {
      restore();
    }
    syncBuiltinESMExports();
  }
}

function forbid(holder: Replaceable, name: string, what: string): () => void {
  const before = Object.getOwnPropertyDescriptor(holder, name);
  const value = name === 'Date' ? frozenDate(holder[name] as DateConstructor) : refusing(what);
  Object.defineProperty(holder, name, { value, configurable: true, writable: true });
  return () => {
    if (before === undefined) {
      delete holder[name]; // it was inherited
    } else {
      Object.defineProperty(holder, name, before);
    }
  };
}

function refusing(what: string): () => never {
  return () => {
    throw new AmbientAccess(what);
  };
}

/** `new Date(ms)` is a conversion and stays; `new Date()` would be a look at the clock. */
function frozenDate(RealDate: DateConstructor): DateConstructor {
  return new Proxy(RealDate, {
    construct(target, args, newTarget) {
      if (args.length === 0) {
        throw new AmbientAccess('new Date()');
      }
      return Reflect.construct(target, args, newTarget) as object;
    },
    apply: refusing('Date()'),
  });
}
