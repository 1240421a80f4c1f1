/**
 * ACL lists, each kept once with the number of nodes that use it, under the ids of the disk format (disk-format.md
 * §3.2). Nodes refer to an entry by its slot, a small number of ours; ids are of any size and may be missing.
 */
import { type ACL, aclEquals, OPEN_ACL } from '@treekeeper/protocol';

/** The id of the open ACL of built-in nodes and null lists; it is never in the table. */
export const OPEN_ACL_ID = -1n;
/** The slot of that entry. */
export const OPEN_SLOT = 0;

/** What a node shows whose id a fuzzy snapshot's table lacks, until replay repairs it: only super may do anything. */
const LOST_ACL: readonly ACL[] = [{ perms: 0, id: { scheme: 'world', id: 'anyone' } }];

interface Entry {
  readonly slot: number;
  id: bigint;
  readonly acl: readonly ACL[];
  readonly key: string;
  /** Known by its id only: its list was not in the snapshot's table. */
  readonly isLost: boolean;
  uses: number;
}

/** One text per list: same text, same entries in the same order. */
function keyOf(acl: readonly ACL[]): string {
  return JSON.stringify(acl.map(({ perms, id }) => [perms, id.scheme, id.id]));
}

export class AclTable {
  readonly #slots: (Entry | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #byId = new Map<bigint, Entry>();
  readonly #byKey = new Map<string, Entry>();
  #highestId = 0n;
  /** The entry taken last: most creates carry the same list as the one before. */
  #latest: Entry;
  /** The id that was last asked for in halves, and its entry, which may have been dropped since. */
  #loadedHigh = -1;
  #loadedLow = -1;
  #loaded: Entry;

  constructor() {
    this.#latest = this.#place(OPEN_ACL_ID, OPEN_ACL, '', false);
    this.#loaded = this.#latest;
  }

  /** The table as a snapshot has it: id and list, in no particular order. */
  *entries(): Iterable<[bigint, readonly ACL[]]> {
    for (const { id, acl, isLost } of this.#byId.values()) {
      if (!isLost) {
        yield [id, acl];
      }
    }
  }

  list(slot: number): readonly ACL[] {
    return this.#entry(slot).acl;
  }

  id(slot: number): bigint {
    return this.#entry(slot).id;
  }

  #entry(slot: number): Entry {
    return this.#slots[slot] as Entry;
  }

  /** Counts one more use of a list, which gets the next id if it is new, and returns its slot. */
  take(acl: readonly ACL[] | null): number {
    if (acl === null) {
      return OPEN_SLOT;
    }
    let entry = this.#latest;
    if (entry.slot === OPEN_SLOT || !aclEquals(entry.acl, acl)) {
      const key = keyOf(acl);
      entry = this.#byKey.get(key) ?? this.#add(++this.#highestId, acl, key, false);
      this.#latest = entry;
    }
    entry.uses += 1;
    return entry.slot;
  }

  /** Counts one use less; an entry without uses is gone, and its id with it. */
  release(slot: number): void {
    if (slot === OPEN_SLOT) {
      return;
    }
    const entry = this.#entry(slot);
    entry.uses -= 1;
    if (entry.uses === 0) {
      this.#drop(entry);
    }
  }

  /** Takes over an entry of a snapshot's table, before the nodes; an entry made before that has its id loses it. */
  load(id: bigint, acl: readonly ACL[]): void {
    this.#add(id, acl, keyOf(acl), false);
  }

  /** After the last node: drops what no node uses, and gives a new id to an entry that lost its own. */
  finishLoading(): void {
    for (const entry of this.#slots) {
      if (entry === undefined || entry.slot === OPEN_SLOT) {
        continue;
      }
      if (entry.uses === 0) {
        this.#drop(entry);
      } else if (this.#byId.get(entry.id) !== entry) {
        entry.id = ++this.#highestId;
        this.#byId.set(entry.id, entry);
      }
    }
  }

  /** Counts one more use of the entry with that id, and returns its slot; an unknown id gets an entry, as lost. */
  takeById(id: bigint): number {
    if (id === OPEN_ACL_ID) {
      return OPEN_SLOT;
    }
    const entry = this.#byId.get(id) ?? this.#add(id, LOST_ACL, '', true);
    entry.uses += 1;
    return entry.slot;
  }

  /** The same for an id in two halves. Nodes that follow each other in a file mostly have the same. */
  takeByIdWords(high: number, low: number): number {
    const loaded = this.#loaded;
    if (high !== this.#loadedHigh || low !== this.#loadedLow || this.#slots[loaded.slot] !== loaded) {
      const slot = this.takeById((BigInt(high) << 32n) | BigInt(low >>> 0));
      this.#loadedHigh = high;
      this.#loadedLow = low;
      this.#loaded = this.#entry(slot);
      return slot;
    }
    loaded.uses += 1;
    return loaded.slot;
  }

  #add(id: bigint, acl: readonly ACL[], key: string, isLost: boolean): Entry {
    const entry = this.#place(id, acl, key, isLost);
    this.#byId.set(id, entry);
    if (!isLost) {
      this.#byKey.set(key, entry);
    }
    // Lost ids count too, so that no new list can come under one of them.
    this.#highestId = id > this.#highestId ? id : this.#highestId;
    return entry;
  }

  #place(id: bigint, acl: readonly ACL[], key: string, isLost: boolean): Entry {
    const slot = this.#freeSlots.pop() ?? this.#slots.length;
    const entry: Entry = { slot, id, acl, key, isLost, uses: 0 };
    this.#slots[slot] = entry;
    return entry;
  }

  #drop(entry: Entry): void {
    // Two ids may have one list, after a load: the other entry stays.
    if (this.#byKey.get(entry.key) === entry) {
      this.#byKey.delete(entry.key);
    }
    if (this.#byId.get(entry.id) === entry) {
      this.#byId.delete(entry.id);
    }
    if (this.#latest === entry) {
      this.#latest = this.#entry(OPEN_SLOT);
    }
    this.#slots[entry.slot] = undefined;
    this.#freeSlots.push(entry.slot);
  }
}
