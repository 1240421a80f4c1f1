/** The lock of a directory among processes that start, end and are killed at any moment; with real files: node-disk. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { DirectoryLock, LOCK_NAME, type LockHost } from '../../src/host/directory-lock.ts';
import { StorageError } from '../../src/io/storage-error.ts';

/** Somewhere; nothing is written there. */
const DIRECTORY = tmpdir();
/** Three processes, one inside of the other, do not take more steps. */
const STEPS_MAX = 27;

type Event = 'start' | 'release' | 'kill the owner' | 'kill who is at it';
const EVENTS: readonly Event[] = ['start', 'release', 'kill the owner', 'kill who is at it'];
/** What happens before which step, in order. */
type Plan = readonly (readonly [step: number, event: Event])[];

class Killed extends Error {}

/** One machine: its files, and processes that interrupt each other between any two steps. */
class Machine {
  readonly #files = new Map<string, string>();
  readonly #gone = new Set<number>();
  readonly #holders = new Map<number, DirectoryLock>();
  readonly #plan: [number, Event][];
  #steps = 0;
  #nextPid = 10;
  /** How many had the directory at the same time. */
  holdersMax = 0;

  constructor(files: Readonly<Record<string, string>>, plan: Plan) {
    for (const [suffix, text] of Object.entries(files)) {
      this.#files.set(this.#path(suffix), text);
    }
    for (let pid = 1; pid < this.#nextPid; pid++) {
      this.#gone.add(pid);
    }
    this.#plan = plan.map(([step, event]) => [step, event]);
  }

  #path(suffix: string): string {
    return `${DIRECTORY}/${LOCK_NAME}${suffix}`;
  }

  get holders(): number {
    return this.#holders.size;
  }

  /** Which files there are, without those of processes that were killed on their way. */
  get files(): string[] {
    return [...this.#files.keys()].map((path) => path.slice(this.#path('').length)).sort();
  }

  start(): 'owner' | 'refused' | 'killed' {
    const pid = this.#nextPid++;
    try {
      const lock = new DirectoryLock(DIRECTORY, this.#host(pid));
      this.#holders.set(pid, lock);
      this.holdersMax = Math.max(this.holdersMax, this.#holders.size);
      return 'owner';
    } catch (error) {
      if (error instanceof StorageError) {
        expect(error.message).not.toContain(`in use by process ${pid}.`);
        this.#gone.add(pid);
        return 'refused';
      }
      if (error instanceof Killed) {
        return 'killed';
      }
      throw error;
    }
  }

  #happen(event: Event, pid: number): void {
    const [holder] = this.#holders;
    if (event === 'start') {
      this.start();
    } else if (event === 'kill who is at it') {
      this.#gone.add(pid);
    } else if (holder !== undefined && holder[0] !== pid) {
      this.#holders.delete(holder[0]);
      if (event === 'release') {
        this.#release(holder[1]);
      }
      this.#gone.add(holder[0]);
    }
  }

  #release(lock: DirectoryLock): void {
    try {
      lock.release();
    } catch (error) {
      expect(error).toBeInstanceOf(Killed);
    }
  }

  /** From now on nobody interrupts anybody. */
  settle(): void {
    this.#plan.length = 0;
  }

  #step<T>(pid: number, act: () => T): T {
    const step = this.#steps++;
    while (this.#plan.length > 0 && this.#plan[0][0] <= step) {
      const [, event] = this.#plan.shift() as [number, Event];
      this.#happen(event, pid);
    }
    if (this.#gone.has(pid)) {
      throw new Killed();
    }
    return act();
  }

  #host(pid: number): LockHost {
    const files = this.#files;
    const step = <T>(act: () => T): T => this.#step(pid, act);
    const link = (from: string, to: string): boolean => {
      assert(files.has(from));
      const isFree = !files.has(to);
      files.set(to, files.get(isFree ? from : to) as string);
      return isFree;
    };
    const rename = (from: string, to: string): void => {
      assert(files.has(from));
      files.set(to, files.get(from) as string);
      files.delete(from);
    };
    return {
      pid,
      locked: new Set(),
      isRunning: (other) => !this.#gone.has(other),
      startOf: (other) => (this.#gone.has(other) ? null : 100 * other),
      files: {
        write: (path, text) => {
          step(() => files.set(path, ''));
          step(() => files.set(path, text));
        },
        link: (from, to) => step(() => link(from, to)),
        read: (path) => step(() => files.get(path) ?? null),
        rename: (from, to) => step(() => rename(from, to)),
        remove: (path) => void step(() => files.delete(path)),
      },
    };
  }
}

function* plans(events: readonly Event[], count: number, stepsMax: number, from = 0): Generator<Plan> {
  if (count === 0) {
    yield [];
    return;
  }
  for (let step = from; step < stepsMax; step++) {
    for (const event of events) {
      for (const rest of plans(events, count - 1, stepsMax, step)) {
        yield [[step, event], ...rest];
      }
    }
  }
}

const LEFT: [string, Record<string, string>][] = [
  ['nothing', {}],
  ['a lock of a process that is gone', { '': '1 100\n' }],
  ['a lock that is none', { '': 'x' }],
  ['what was killed while it took a lock over', { '': '1 100\n', '.next': '2 200\n', '.2': '2 200\n' }],
];

test.each(LEFT)('over %s: of all that start at the same moment one gets the directory', (_name, files) => {
  for (const plan of plans(['start'], 3, STEPS_MAX)) {
    const machine = new Machine(files, plan);
    machine.start();
    expect(machine, JSON.stringify(plan)).toMatchObject({ holders: 1, holdersMax: 1 });
    expect(machine.files.filter((suffix) => suffix !== '.2')).toEqual(['']);
  }
});

test.each(LEFT)('over %s: never two, whoever ends or is killed, and never nobody for good', (_name, files) => {
  for (const plan of [...plans(EVENTS, 2, STEPS_MAX), ...plans(EVENTS, 3, STEPS_MAX / 3)]) {
    const machine = new Machine(files, plan);
    machine.start();
    machine.settle();
    const isFree = machine.holders === 0;
    const last = machine.start();
    if (machine.holdersMax > 1 || (isFree && last === 'refused')) {
      expect.fail(`${machine.holdersMax} had it, and the last was ${last}: ${JSON.stringify(plan)}`);
    }
  }
});
