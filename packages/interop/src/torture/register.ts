/** The versions of one register that anybody has seen, by number and by zxid. */
import type { SetCall } from './history.ts';

export interface Version {
  readonly version: number;
  readonly zxid: bigint;
  readonly value: string;
}

export class Register {
  readonly key: string;
  readonly sets = new Map<string, SetCall>();
  readonly #versions = new Map<number, Version>();
  #sorted: Version[] | null = null;

  constructor(key: string) {
    this.key = key;
  }

  /** What contradicts an earlier sight of the same version, or null. */
  see(seen: Version): string | null {
    const known = this.#versions.get(seen.version);
    if (known === undefined) {
      this.#versions.set(seen.version, seen);
      this.#sorted = null;
      return null;
    }
    const isSame = known.zxid === seen.zxid && known.value === seen.value;
    return isSame ? null : `version ${seen.version} of ${this.key} is both ${text(known)} and ${text(seen)}`;
  }

  /** By version. */
  get versions(): readonly Version[] {
    this.#sorted ??= [...this.#versions.values()].sort((a, b) => a.version - b.version);
    return this.#sorted;
  }

  /** The highest version that is known to have been there at a zxid; -1 where none is. Versions are in zxid order. */
  versionAt(zxid: bigint): number {
    const { versions } = this;
    let [low, high] = [0, versions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (versions[middle].zxid <= zxid) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low === 0 ? -1 : versions[low - 1].version;
  }
}

function text({ zxid, value }: Version): string {
  return `"${value}" of 0x${zxid.toString(16)}`;
}
