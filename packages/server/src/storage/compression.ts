/** The compressed forms of snapshots (disk-format.md §3.3). */
import { gzipSync, inflateRawSync } from 'node:zlib';
import { compress, uncompress } from 'snappyjs';
import type { FileSource } from '../io/disk.ts';
import { GZIP_MAGIC, SNAPPY_MAGIC } from './format.ts';
import { CHUNK_BYTES, chunksOf, FileInput, type NextChunk } from './input.ts';
import type { SnapshotCompression } from './options.ts';

const SNAPPY_BLOCK_BYTES = 32768;
const SNAPPY_HEADER = Buffer.from([...SNAPPY_MAGIC, 0, 0, 0, 1, 0, 0, 0, 1]);
/** Raw snappy is never longer than this: 32 + n + n/6. */
const SNAPPY_COMPRESSED_BYTES_MAX = 32 + SNAPPY_BLOCK_BYTES + Math.ceil(SNAPPY_BLOCK_BYTES / 6);

/** What stands in front of the first slice. */
export function compressionHeader(compression: SnapshotCompression): Uint8Array {
  return compression === 'snappy' ? SNAPPY_HEADER : new Uint8Array(0);
}

/** One slice of a snapshot as it goes into the file. 'none' gives the slice itself, no copy. */
export function compressSlice(compression: SnapshotCompression, slice: Uint8Array): Uint8Array {
  switch (compression) {
    case 'none':
      return slice;
    case 'gz':
      // A member per slice (RFC 1952 §2.2): readers see one stream, and ours needs the memory of one slice only.
      return gzipSync(slice);
    case 'snappy':
      return snappyChunks(slice);
  }
}

function snappyChunks(slice: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < slice.length; at += SNAPPY_BLOCK_BYTES) {
    const block = compress(plainView(slice.subarray(at, at + SNAPPY_BLOCK_BYTES)));
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

/** snappyjs answers with the kind of bytes that it was given, and is faster on plain ones. */
function plainView(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The uncompressed bytes of a snapshot file, piece by piece. Throws Error where the compressed form is broken. */
export function uncompressedChunks(disk: FileSource, name: string, compression: SnapshotCompression): NextChunk {
  switch (compression) {
    case 'none':
      return chunksOf(disk, 'data', name);
    case 'gz':
      return gunzippedChunks(disk, name);
    case 'snappy':
      return unsnappedChunks(disk, name);
  }
}

const GZIP_HEADER_BYTES = 10;
const GZIP_TRAILER_BYTES = 8;
const GZIP_DEFLATE = 8;
const GZIP_FLAGS = { headerCrc: 2, extra: 4, name: 8, comment: 16 } as const;

/**
 * Member by member: `gunzipSync` would put the whole stream into one buffer. The compressed file is read whole, for
 * where a member ends is known only when it has been inflated.
 */
function gunzippedChunks(disk: FileSource, name: string): NextChunk {
  let file: Buffer | null = null;
  let at = 0;
  return () => {
    file ??= wholeFile(disk, name);
    if (at === file.length) {
      return null;
    }
    const start = gzipDataStart(file, at);
    // With `info` the answer names the bytes used besides the bytes made; @types/node does not know.
    const { buffer, engine } = inflateRawSync(file.subarray(start), { info: true }) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    at = start + engine.bytesWritten + GZIP_TRAILER_BYTES;
    if (at > file.length) {
      throw new Error('the gzip stream is cut off');
    }
    return buffer;
  };
}

function wholeFile(disk: FileSource, name: string): Buffer {
  const parts: Uint8Array[] = [];
  const next = chunksOf(disk, 'data', name);
  for (let chunk = next(); chunk !== null; chunk = next()) {
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

/** Skips the header of the gzip member at `at`. */
function gzipDataStart(file: Buffer, at: number): number {
  const flags = file[at + 3];
  if (file[at] !== GZIP_MAGIC[0] || file[at + 1] !== GZIP_MAGIC[1] || file[at + 2] !== GZIP_DEFLATE) {
    throw new Error(`no gzip member at offset ${at}`);
  }
  let position = at + GZIP_HEADER_BYTES;
  if ((flags & GZIP_FLAGS.extra) !== 0 && position + 2 <= file.length) {
    position += 2 + file.readUInt16LE(position);
  }
  for (const text of [GZIP_FLAGS.name, GZIP_FLAGS.comment]) {
    if ((flags & text) !== 0) {
      const zero = file.indexOf(0, position);
      position = zero < 0 ? file.length : zero + 1;
    }
  }
  return position + ((flags & GZIP_FLAGS.headerCrc) !== 0 ? 2 : 0);
}

function unsnappedChunks(disk: FileSource, name: string): NextChunk {
  const input = new FileInput(chunksOf(disk, 'data', name));
  return () => {
    if (input.offset === 0) {
      if (!input.ensure(SNAPPY_HEADER.length)) {
        throw new Error('the snappy header is cut off');
      }
      input.position = SNAPPY_HEADER.length;
    }
    const parts: Uint8Array[] = [];
    for (let bytes = 0; bytes < CHUNK_BYTES; bytes += SNAPPY_BLOCK_BYTES) {
      const block = nextSnappyBlock(input);
      if (block === null) {
        break;
      }
      parts.push(block);
    }
    return parts.length === 0 ? null : Buffer.concat(parts);
  };
}

function nextSnappyBlock(input: FileInput): Uint8Array | null {
  if (!input.ensure(1)) {
    return null;
  }
  const length = input.ensure(4) ? input.bytes.readInt32BE(input.position) : -1;
  if (length <= 0 || length > SNAPPY_COMPRESSED_BYTES_MAX || !input.ensure(4 + length)) {
    throw new Error(`no snappy block at offset ${input.offset}`);
  }
  const start = input.position + 4;
  input.position = start + length;
  return uncompress(plainView(input.bytes.subarray(start, start + length)), SNAPPY_BLOCK_BYTES);
}
