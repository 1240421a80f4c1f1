/**
 * A disk that forgets. It keeps apart what is durable and what only seems written, so that a crash can take away, tear
 * or keep everything that was not synced; and it runs its batches step by step, when the world says so.
 */
import type { Area, Disk, DiskCompletion, DiskError, DiskStep, FileEntry, Random } from '@treekeeper/server/internal';
import { FileBytes } from './file-bytes.ts';

/** A change of a file's content that no sync has covered. */
type ContentChange =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly length: number };

interface SimulatedFile {
  /** As every reader sees it. */
  content: FileBytes;
  /** As it would be after the loss of all `unsynced` changes. */
  durable: FileBytes;
  unsynced: ContentChange[];
}

/** A change of a directory that no syncDirectory has covered. */
type NameChange =
  | { readonly kind: 'create'; readonly name: string; readonly file: SimulatedFile }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'remove'; readonly name: string };

interface Directory {
  readonly current: Map<string, SimulatedFile>;
  readonly durable: Map<string, SimulatedFile>;
  unsynced: NameChange[];
}

interface Batch {
  readonly ticket: number;
  readonly steps: readonly DiskStep[];
  next: number;
}

interface OpenFile {
  readonly file: SimulatedFile;
  readonly name: string;
  readonly dsync: boolean;
}

export interface SimulatedDiskOptions {
  readonly sharedDirectory?: boolean;
  readonly initializeMarker?: boolean;
}

export class SimulatedDisk implements Disk {
  readonly sharedDirectory: boolean;
  /** No space is left: creations and writes that extend or fill a file fail, writes perhaps half done. */
  full = false;
  /** Given to every completion. */
  batchDurationMs = 0;
  /** Told of every step before it is executed. */
  onStep: ((step: DiskStep) => void) | null = null;
  /** Told of every step that has succeeded. */
  onDone: ((step: DiskStep) => void) | null = null;
  readonly #directories: Record<Area, Directory>;
  readonly #open = new Map<number, OpenFile>();
  #batches: Batch[] = [];
  #failing: { readonly matches: (step: DiskStep) => boolean; readonly message: string } | null = null;
  #nextFile = 1;
  #nextTicket = 1;
  #initializeMarker: boolean;

  constructor({ sharedDirectory = true, initializeMarker = false }: SimulatedDiskOptions = {}) {
    this.sharedDirectory = sharedDirectory;
    this.#initializeMarker = initializeMarker;
    const data = newDirectory();
    this.#directories = { data, log: sharedDirectory ? data : newDirectory() };
  }

  // --- what the server sees

  allocateFile(): number {
    return this.#nextFile++;
  }

  submit(steps: readonly DiskStep[]): number {
    const ticket = this.#nextTicket++;
    this.#batches.push({ ticket, steps, next: 0 });
    return ticket;
  }

  list(area: Area): FileEntry[] {
    const entries = [...this.#directories[area].current].map(([name, { content }]) => ({
      name,
      sizeBytes: content.length,
      modifiedMs: 0, // nothing hangs on it
    }));
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  read(area: Area, name: string, position: number, length: number): Uint8Array {
    return this.#file(area, name).content.read(position, length);
  }

  remove(area: Area, name: string): void {
    const directory = this.#directories[area];
    directory.current.delete(name);
    directory.unsynced.push({ kind: 'remove', name });
    syncDirectory(directory);
  }

  rename(area: Area, from: string, to: string): void {
    const directory = this.#directories[area];
    if (!renameIn(directory.current, from, to)) {
      throw new Error(`no file ${from} in the ${area} directory`);
    }
    directory.unsynced.push({ kind: 'rename', from, to });
    syncDirectory(directory);
  }

  makeDurable(area: Area, name: string | null): void {
    if (name !== null) {
      sync(this.#file(area, name));
    }
    syncDirectory(this.#directories[area]);
  }

  takeInitializeMarker(): boolean {
    const present = this.#initializeMarker;
    this.#initializeMarker = false;
    return present;
  }

  // --- what the world does

  /** Batches that have not ended. */
  get batchesInFlight(): number {
    return this.#batches.length;
  }

  /** Executes one step, of the oldest batch or of a random one. The completion, if that ended a batch. */
  step(random?: Random): DiskCompletion | null {
    const index = random === undefined ? 0 : Math.floor(random.next() * this.#batches.length);
    const batch = this.#batches[index];
    if (batch === undefined) {
      return null;
    }
    const error = this.#execute(batch.steps[batch.next], random);
    batch.next++;
    if (error === null) {
      this.onDone?.(batch.steps[batch.next - 1]);
    }
    if (error === null && batch.next < batch.steps.length) {
      return null;
    }
    this.#batches.splice(index, 1);
    return { kind: 'disk', ticket: batch.ticket, error, durationMs: this.batchDurationMs };
  }

  /** Executes everything that has been submitted, in order. */
  drain(): DiskCompletion[] {
    const completions: DiskCompletion[] = [];
    while (this.#batches.length > 0) {
      const completion = this.step();
      if (completion !== null) {
        completions.push(completion);
      }
    }
    return completions;
  }

  /** Makes the next step that `matches` fail for good ('failed'). */
  failNext(matches: (step: DiskStep) => boolean, message = 'input/output error'): void {
    this.#failing = { matches, message };
  }

  /**
   * Power fails: batches stop where they are, open files are gone, and of everything unsynced any part may be lost.
   * What is left is what the next start finds.
   */
  crash(random: Random): void {
    this.kill(random);
    for (const directory of new Set(Object.values(this.#directories))) {
      crashDirectory(directory, random);
    }
  }

  /**
   * The process ends and the machine goes on: nothing that was written is lost; batches stop where they are. With
   * `random`, a write under way may have begun: its bytes can be read, and are not synced.
   */
  kill(random?: Random): void {
    for (const { steps, next } of this.#batches) {
      const step = steps[next];
      const open = step.op === 'write' ? this.#open.get(step.file) : undefined;
      if (step.op === 'write' && open !== undefined && random !== undefined && random.next() < 0.5) {
        write(open.file, step.position, Buffer.from(step.bytes), false);
      }
    }
    this.#batches = [];
    this.#open.clear();
  }

  /** A copy as it is now, without batches under way and open files. */
  clone(): SimulatedDisk {
    const copy = new SimulatedDisk({
      sharedDirectory: this.sharedDirectory,
      initializeMarker: this.#initializeMarker,
    });
    for (const area of ['log', 'data'] as const) {
      for (const [name, { content }] of this.#directories[area].current) {
        copy.put(area, name, content.copy());
      }
    }
    return copy;
  }

  /** Puts a file there, durably. */
  put(area: Area, name: string, bytes: Uint8Array): void {
    const file = { content: new FileBytes(bytes), durable: new FileBytes(bytes), unsynced: [] };
    this.#directories[area].current.set(name, file);
    this.#directories[area].durable.set(name, file);
  }

  /** A file's bytes. */
  get(area: Area, name: string): Buffer {
    return this.#file(area, name).content.copy();
  }

  /** Flips a bit of a file, where it matters. */
  damage(area: Area, name: string, position: number, mask = 0x01): void {
    const { content, durable } = this.#file(area, name);
    content.flip(position, mask);
    if (position < durable.length) {
      durable.flip(position, mask);
    }
  }

  #file(area: Area, name: string): SimulatedFile {
    const file = this.#directories[area].current.get(name);
    if (file === undefined) {
      throw new Error(`no file ${name} in the ${area} directory`);
    }
    return file;
  }

  #execute(step: DiskStep, random: Random | undefined): DiskError | null {
    this.onStep?.(step);
    if (this.#failing?.matches(step)) {
      const { message } = this.#failing;
      this.#failing = null;
      return { kind: 'failed', message: `${step.op}: ${message}` };
    }
    switch (step.op) {
      case 'create':
        return this.#create(step);
      case 'write':
        return this.#write(step, random);
      case 'sync':
        sync(this.#opened(step.file).file);
        return null;
      case 'close':
        this.#open.delete(step.file);
        return null;
      case 'truncate':
        truncate(this.#file(step.area, step.name), step.length);
        sync(this.#file(step.area, step.name));
        return null;
      case 'rename':
        return this.#rename(this.#directories[step.area], step.from, step.to);
      case 'remove':
        this.#directories[step.area].current.delete(step.name);
        this.#directories[step.area].unsynced.push({ kind: 'remove', name: step.name });
        return null;
      case 'syncDirectory':
        syncDirectory(this.#directories[step.area]);
        return null;
    }
  }

  #create({ area, name, file: number, dsync }: DiskStep & { op: 'create' }): DiskError | null {
    const directory = this.#directories[area];
    let file = directory.current.get(name);
    if (file === undefined) {
      if (this.full) {
        return noSpace('create', name);
      }
      file = { content: new FileBytes(), durable: new FileBytes(), unsynced: [] };
      directory.current.set(name, file);
      directory.unsynced.push({ kind: 'create', name, file });
    } else {
      truncate(file, 0);
    }
    this.#open.set(number, { file, name, dsync });
    return null;
  }

  #write(step: DiskStep & { op: 'write' }, random: Random | undefined): DiskError | null {
    const { file, name, dsync } = this.#opened(step.file);
    let bytes = Buffer.from(step.bytes);
    if (this.full) {
      bytes = bytes.subarray(0, random === undefined ? 0 : Math.floor(random.next() * bytes.length));
    }
    if (bytes.length > 0) {
      write(file, step.position, bytes, dsync);
    }
    return this.full ? noSpace('write', name) : null;
  }

  #rename(directory: Directory, from: string, to: string): DiskError | null {
    if (!renameIn(directory.current, from, to)) {
      return { kind: 'failed', message: `rename: no file ${from}` };
    }
    directory.unsynced.push({ kind: 'rename', from, to });
    return null;
  }

  #opened(number: number): OpenFile {
    const open = this.#open.get(number);
    if (open === undefined) {
      throw new Error(`file ${number} is not open`);
    }
    return open;
  }
}

function newDirectory(): Directory {
  return { current: new Map(), durable: new Map(), unsynced: [] };
}

function noSpace(op: string, name: string): DiskError {
  return { kind: 'full', message: `${op} ${name}: no space left on device` };
}

function write(file: SimulatedFile, position: number, bytes: Buffer, dsync: boolean): void {
  file.content.write(position, bytes);
  file.unsynced.push({ kind: 'write', position, bytes });
  if (dsync) {
    sync(file);
  }
}

function truncate(file: SimulatedFile, length: number): void {
  file.content.truncate(length);
  file.unsynced.push({ kind: 'truncate', length });
}

function sync({ durable, unsynced }: SimulatedFile): void {
  for (const change of unsynced) {
    if (change.kind === 'write') {
      durable.write(change.position, change.bytes);
    } else {
      durable.truncate(change.length);
    }
  }
  unsynced.length = 0;
}

function renameIn(names: Map<string, SimulatedFile>, from: string, to: string): boolean {
  const file = names.get(from);
  if (file === undefined) {
    return false;
  }
  names.delete(from);
  names.set(to, file);
  return true;
}

function syncDirectory(directory: Directory): void {
  if (directory.unsynced.length === 0) {
    return;
  }
  directory.durable.clear();
  for (const [name, file] of directory.current) {
    directory.durable.set(name, file);
  }
  directory.unsynced = [];
}

/** Each change of a name is kept or lost; what a lost one was the ground of is lost with it. */
function crashDirectory(directory: Directory, random: Random): void {
  for (const change of directory.unsynced) {
    if (random.next() < 0.5) {
      continue;
    }
    if (change.kind === 'create') {
      directory.durable.set(change.name, change.file);
    } else if (change.kind === 'rename') {
      renameIn(directory.durable, change.from, change.to);
    } else {
      directory.durable.delete(change.name);
    }
  }
  directory.unsynced = [];
  directory.current.clear();
  for (const [name, file] of directory.durable) {
    crashFile(file, random);
    directory.current.set(name, file);
  }
}

/** What a disk writes at once or not at all. */
const SECTOR_BYTES = 512;

/** Each change of the content is kept, lost, or torn: its first bytes are kept, or any of its sectors. */
function crashFile(file: SimulatedFile, random: Random): void {
  const { durable } = file;
  for (const change of file.unsynced) {
    const fate = random.next();
    if (fate < 0.25) {
      continue;
    }
    if (change.kind === 'truncate') {
      durable.truncate(change.length);
    } else if (fate < 0.65) {
      const kept = fate < 0.45 ? change.bytes.length : Math.floor(random.next() * (change.bytes.length + 1));
      durable.write(change.position, change.bytes.subarray(0, kept));
    } else {
      writeSomeSectors(durable, change.position, change.bytes, random);
    }
  }
  file.content = new FileBytes(durable.bytes);
  file.unsynced = [];
}

/** The order in which a disk writes the sectors of one request is its own. */
function writeSomeSectors(durable: FileBytes, position: number, bytes: Buffer, random: Random): void {
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, from + SECTOR_BYTES - ((position + from) % SECTOR_BYTES));
    if (random.next() < 0.5) {
      durable.write(position + from, bytes.subarray(from, to));
    }
    from = to;
  }
}
