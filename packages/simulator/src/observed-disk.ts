/** The disk as the replica has it: the referee sees what goes there, and power may fail in the middle of recovery. */
import type { Area, Disk, DiskStep, FileEntry } from '@treekeeper/server/internal';
import type { SimulatedDisk } from './disk.ts';

export class ObservedDisk implements Disk {
  readonly sharedDirectory: boolean;
  /** Synchronous calls, those of recovery, that are still answered; then power fails. */
  callsLeft = Number.POSITIVE_INFINITY;
  /** It has: from then on every call throws, and whatever comes out of recovery is of no account. */
  powerFailed = false;
  readonly #disk: SimulatedDisk;
  readonly #onSubmit: (steps: readonly DiskStep[]) => void;

  constructor(disk: SimulatedDisk, onSubmit: (steps: readonly DiskStep[]) => void) {
    this.sharedDirectory = disk.sharedDirectory;
    this.#disk = disk;
    this.#onSubmit = onSubmit;
  }

  allocateFile(): number {
    return this.#disk.allocateFile();
  }

  submit(steps: readonly DiskStep[]): number {
    this.#onSubmit(steps);
    return this.#disk.submit(steps);
  }

  list(area: Area): FileEntry[] {
    this.#call();
    return this.#disk.list(area);
  }

  read(area: Area, name: string, position: number, length: number): Uint8Array {
    this.#call();
    return this.#disk.read(area, name, position, length);
  }

  remove(area: Area, name: string): void {
    this.#call();
    this.#disk.remove(area, name);
    this.#call();
  }

  rename(area: Area, from: string, to: string): void {
    this.#call();
    this.#disk.rename(area, from, to);
    this.#call();
  }

  makeDurable(area: Area, name: string | null): void {
    this.#call();
    this.#disk.makeDurable(area, name);
  }

  takeInitializeMarker(): boolean {
    return this.#disk.takeInitializeMarker();
  }

  #call(): void {
    if (this.callsLeft-- <= 0) {
      this.powerFailed = true;
      throw new Error('power failed during recovery');
    }
  }
}
