/**
 * Memory for many small blocks outside the JavaScript heap: the garbage collector sees one object per slab, not one per
 * node. A slab is an ArrayBuffer of blocks of one size class with a list of its free blocks; blocks too big to share a
 * slab have one to themselves, which is given back as soon as they are released.
 *
 * An address is a slab's number and an offset within it in 32 bits; 0 is the block without bytes.
 */
const SLAB_BYTES = 256 * 1024;
const SLAB_BLOCKS_MIN = 8;
/** Larger blocks have a slab each. */
const SHARED_BLOCK_BYTES_MAX = SLAB_BYTES / SLAB_BLOCKS_MIN;
/** The first slab of a size class is as small as this if it can: a small tree has few blocks of each. */
const FIRST_SLAB_BYTES_MIN = 8 * 1024;
/** Offsets count in units; every block begins at one. */
const UNIT_SHIFT = 4;
const UNIT_BYTES = 1 << UNIT_SHIFT;
const OFFSET_BITS = 14;
const OFFSET_MASK = (1 << OFFSET_BITS) - 1;
const SLAB_COUNT_MAX = 2 ** (32 - OFFSET_BITS);
/** Steps of 16 bytes up to 256, then eight steps to each doubling: what is wasted stays under an eighth. */
const FINE_BYTES_MAX = 256;
const FINE_CLASSES = FINE_BYTES_MAX / UNIT_BYTES;
const STEPS_SHIFT = 3;
/** Empty slabs kept for the next need, so that a workload at the edge of a slab does not allocate again and again. */
const SPARE_SLABS_MAX = 16;

/** In place of a slab's number: the class has not had one. */
const NEVER = -1;

interface Slab {
  bytes: Uint8Array;
  readonly sizeClass: number;
  readonly blockBytes: number;
  readonly blockCount: number;
  usedCount: number;
  /** Blocks handed out at least once; those after them are untouched memory. */
  touchedCount: number;
  /** Offset in units of the first free touched block, −1: none. Each begins with the offset of the next. */
  freeHead: number;
  /** Its place in the class's list of slabs with room (numbers of slabs, 0: none). */
  previous: number;
  next: number;
}

/** The size class of a block of `sizeBytes`; equal classes mean equal blocks. */
function sizeClassOf(sizeBytes: number): number {
  if (sizeBytes <= FINE_BYTES_MAX) {
    return (sizeBytes + UNIT_BYTES - 1) >>> UNIT_SHIFT;
  }
  const exponent = 31 - Math.clz32(sizeBytes - 1);
  const base = 2 ** exponent;
  const step = Math.ceil((sizeBytes - base) / 2 ** (exponent - STEPS_SHIFT));
  return FINE_CLASSES + ((exponent - 8) << STEPS_SHIFT) + step;
}

/** The bytes of a block of that class: the largest size that has it. */
function blockBytesOf(sizeClass: number): number {
  if (sizeClass <= FINE_CLASSES) {
    return sizeClass << UNIT_SHIFT;
  }
  const index = sizeClass - FINE_CLASSES - 1;
  const base = 2 ** (8 + (index >>> STEPS_SHIFT));
  return base + ((index & ((1 << STEPS_SHIFT) - 1)) + 1) * (base >>> STEPS_SHIFT);
}

export class ByteStore {
  /** Number 0 stands for the block without bytes. */
  readonly #slabs: Slab[] = [newSlab(new Uint8Array(0), 0)];
  readonly #freeNumbers: number[] = [];
  readonly #spares: Uint8Array[] = [];
  /** By size class: the first slab with room, 0 when there is none, NEVER when there has not been one. */
  readonly #withRoom: number[] = [];
  #slabBytes = 0;

  /** Bytes held in slabs, used or not. */
  get slabBytes(): number {
    return this.#slabBytes;
  }

  /** The array that the block lies in. */
  bytes(address: number): Uint8Array {
    return this.#slabs[address >>> OFFSET_BITS].bytes;
  }

  /** Where in `bytes(address)` the block begins. */
  offset(address: number): number {
    return (address & OFFSET_MASK) << UNIT_SHIFT;
  }

  /** Whether a block of `sizeBytes` would be of the same class: then the old one can be used again. */
  isSameClass(address: number, sizeBytes: number): boolean {
    return this.#slabs[address >>> OFFSET_BITS].sizeClass === sizeClassOf(sizeBytes);
  }

  /** A block with room for `sizeBytes` bytes; its content is arbitrary. */
  allocate(sizeBytes: number): number {
    if (sizeBytes === 0) {
      return 0;
    }
    const sizeClass = sizeClassOf(sizeBytes);
    let number = this.#withRoom[sizeClass] ?? NEVER;
    if (number <= 0) {
      number = this.#addSlab(sizeClass, number === NEVER);
    }
    const slab = this.#slabs[number];
    let offset = slab.freeHead;
    if (offset >= 0) {
      slab.freeHead = readLink(slab.bytes, offset << UNIT_SHIFT);
    } else {
      offset = (slab.touchedCount * slab.blockBytes) >>> UNIT_SHIFT;
      slab.touchedCount += 1;
    }
    slab.usedCount += 1;
    if (slab.usedCount === slab.blockCount) {
      this.#unlist(number);
    }
    return (number << OFFSET_BITS) | offset;
  }

  release(address: number): void {
    if (address === 0) {
      return;
    }
    const number = address >>> OFFSET_BITS;
    const slab = this.#slabs[number];
    if (slab.usedCount === slab.blockCount) {
      this.#list(number);
    }
    slab.usedCount -= 1;
    if (slab.usedCount === 0) {
      this.#dropSlab(number);
      return;
    }
    const offset = address & OFFSET_MASK;
    writeLink(slab.bytes, offset << UNIT_SHIFT, slab.freeHead);
    slab.freeHead = offset;
  }

  #addSlab(sizeClass: number, isFirst: boolean): number {
    const slabBytes = slabBytesOf(sizeClass, isFirst);
    const spare = slabBytes === SLAB_BYTES ? this.#spares.pop() : undefined;
    const bytes = spare ?? new Uint8Array(slabBytes);
    const number = this.#freeNumbers.pop() ?? this.#slabs.length;
    if (number >= SLAB_COUNT_MAX) {
      throw new RangeError(`more than ${SLAB_COUNT_MAX} slabs of data`);
    }
    this.#slabs[number] = newSlab(bytes, sizeClass);
    this.#slabBytes += spare === undefined ? bytes.length : 0;
    this.#list(number);
    return number;
  }

  #dropSlab(number: number): void {
    const slab = this.#slabs[number];
    this.#unlist(number);
    if (slab.bytes.length === SLAB_BYTES && this.#spares.length < SPARE_SLABS_MAX) {
      this.#spares.push(slab.bytes);
    } else {
      this.#slabBytes -= slab.bytes.length;
    }
    this.#slabs[number] = this.#slabs[0];
    this.#freeNumbers.push(number);
  }

  #list(number: number): void {
    const slab = this.#slabs[number];
    const first = Math.max(0, this.#withRoom[slab.sizeClass] ?? 0);
    slab.previous = 0;
    slab.next = first;
    if (first !== 0) {
      this.#slabs[first].previous = number;
    }
    this.#setWithRoom(slab.sizeClass, number);
  }

  #unlist(number: number): void {
    const { previous, next, sizeClass } = this.#slabs[number];
    if (previous === 0) {
      this.#setWithRoom(sizeClass, next);
    } else {
      this.#slabs[previous].next = next;
    }
    if (next !== 0) {
      this.#slabs[next].previous = previous;
    }
  }

  #setWithRoom(sizeClass: number, number: number): void {
    while (this.#withRoom.length <= sizeClass) {
      this.#withRoom.push(NEVER);
    }
    this.#withRoom[sizeClass] = number;
  }
}

function slabBytesOf(sizeClass: number, isFirst: boolean): number {
  const blockBytes = blockBytesOf(sizeClass);
  if (blockBytes > SHARED_BLOCK_BYTES_MAX) {
    return blockBytes;
  }
  return isFirst ? Math.max(FIRST_SLAB_BYTES_MIN, SLAB_BLOCKS_MIN * blockBytes) : SLAB_BYTES;
}

function newSlab(bytes: Uint8Array, sizeClass: number): Slab {
  const blockBytes = blockBytesOf(sizeClass);
  return {
    bytes,
    sizeClass,
    blockBytes,
    blockCount: blockBytes === 0 ? 0 : Math.floor(bytes.length / blockBytes),
    usedCount: 0,
    touchedCount: 0,
    freeHead: -1,
    previous: 0,
    next: 0,
  };
}

function readLink(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

function writeLink(bytes: Uint8Array, at: number, link: number): void {
  bytes[at] = link;
  bytes[at + 1] = link >>> 8;
  bytes[at + 2] = link >>> 16;
  bytes[at + 3] = link >>> 24;
}
