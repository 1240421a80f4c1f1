/**
 * What each input makes of each server, computed once. A machine cannot be copied, but it is a function of its disk and
 * its inputs: whoever needs it in an earlier state makes it anew, and what came of a step is kept for all the global
 * states in which a server takes the same step.
 */
import { type DiskState, historyOn } from './disk.ts';
import { type Effects, type Input, Machine, type Settings, type View } from './machine.ts';

/** A server that is up: from which disk it has started, and what it has taken in since. */
export interface Local {
  readonly id: number;
  readonly serverId: number;
  readonly disk: DiskState;
  readonly before: Local | null;
  readonly input: Input | null;
  readonly view: View;
  readonly steps: Map<string, Step>;
  /** In this state, unless it has gone on to another. */
  machine: Machine | null;
}

export interface Step {
  readonly local: Local;
  readonly effects: Effects;
}

/** The number of the end of what was sent on a link. */
export const END = 0;

export class Locals {
  readonly #settings: Settings;
  readonly #pieces: string[] = [''];
  readonly #pieceNumbers = new Map<string, number>();
  readonly #boots = new Map<string, Local>();
  #count = 0;

  constructor(settings: Omit<Settings, 'pieces'>) {
    this.#settings = { ...settings, pieces: this.#pieces };
  }

  /** The number of these bytes. */
  pieceOf(bytes: string): number {
    let piece = this.#pieceNumbers.get(bytes);
    if (piece === undefined) {
      piece = this.#pieces.push(bytes) - 1;
      this.#pieceNumbers.set(bytes, piece);
    }
    return piece;
  }

  get count(): number {
    return this.#count;
  }

  /** A process starts on a disk. */
  boot(serverId: number, disk: DiskState): Local {
    const key = `${serverId} ${keyOf(disk)}`;
    let local = this.#boots.get(key);
    if (local === undefined) {
      const machine = this.#start(serverId, disk);
      local = this.#make(serverId, disk, null, null, machine);
      this.#boots.set(key, local);
    }
    return local;
  }

  step(from: Local, input: Input): Step {
    const key = Object.values(input).join();
    let step = from.steps.get(key);
    if (step === undefined) {
      const machine = this.#machineIn(from);
      from.machine = null;
      const effects = machine.take(input);
      step = { local: this.#make(from.serverId, from.disk, from, input, machine), effects };
      from.steps.set(key, step);
    }
    return step;
  }

  #make(serverId: number, disk: DiskState, before: Local | null, input: Input | null, machine: Machine): Local {
    return { id: ++this.#count, serverId, disk, before, input, view: machine.view, steps: new Map(), machine };
  }

  #start(serverId: number, disk: DiskState): Machine {
    return new Machine(serverId, disk, this.#settings);
  }

  #machineIn(local: Local): Machine {
    if (local.machine !== null) {
      return local.machine;
    }
    const inputs: Input[] = [];
    for (let at: Local | null = local; at !== null; at = at.before) {
      if (at.input !== null) {
        inputs.push(at.input);
      }
    }
    const machine = this.#start(local.serverId, local.disk);
    for (const input of inputs.reverse()) {
      machine.take(input);
    }
    return machine;
  }
}

const keys = new WeakMap<DiskState, string>();

/** The same for disks with the same content. */
export function keyOf(disk: DiskState): string {
  let key = keys.get(disk);
  if (key === undefined) {
    key = JSON.stringify([disk.snapshot, disk.log, disk.acceptedEpoch, disk.currentEpoch]);
    keys.set(disk, key);
  }
  return key;
}

const histories = new WeakMap<DiskState, ReturnType<typeof historyOn>>();

export function knownHistoryOn(disk: DiskState): ReturnType<typeof historyOn> {
  let history = histories.get(disk);
  if (history === undefined) {
    history = historyOn(disk);
    histories.set(disk, history);
  }
  return history;
}
