import { gunzipSync, gzipSync } from 'node:zlib';
import type { Codec } from './codec.ts';
import { limits } from './limits.ts';

/**
 * Options of `gzip`.
 *
 * @example
 * ```ts
 * const options: GzipOptions = { bytesMin: 10_000 };
 * await client.create('/short', 'not worth it', { codec: gzip(utf8, options) });
 * console.assert((await client.get('/short', { codec: utf8 })).value === 'not worth it');
 * ```
 */
export interface GzipOptions {
  /** Shorter data are written as they are. @default 1024 */
  readonly bytesMin?: number | undefined;
  /** What unpacks to more is refused with INVALID_VALUE: a few bytes can stand for very many. @default 67108864 */
  readonly bytesMax?: number | undefined;
}

const BYTES_MIN = 1024;
const MAGIC = [0x1f, 0x8b] as const;

/**
 * Compresses what another codec writes, and reads what is compressed and what is not: a tree can be changed over node
 * by node. As Curator's GzipCompressionProvider has it, so that programs in Java read the same values.
 *
 * @example
 * ```ts
 * const codec = gzip(json<{ hosts: string[] }>());
 * const hosts = Array.from({ length: 1000 }, (_, i) => `host-${i}.example.com`);
 * const { stat } = await client.create('/hosts', { hosts }, { codec });
 * console.assert(stat.dataLength < 5000);
 * console.assert((await client.get('/hosts', { codec })).value.hosts.length === 1000);
 * ```
 */
export function gzip<Read, Write>(inner: Codec<Read, Write>, options: GzipOptions = {}): Codec<Read, Write> {
  const { bytesMin = BYTES_MIN, bytesMax = limits.replyBytesMax } = options;
  return {
    encode: (value) => {
      const data = inner.encode(value);
      // What looks compressed has to be, or it would be unpacked when it is read.
      return data === null || (data.length < bytesMin && !isCompressed(data)) ? data : gzipSync(data);
    },
    decode: (data) =>
      inner.decode(data !== null && isCompressed(data) ? gunzipSync(data, { maxOutputLength: bytesMax }) : data),
  };
}

function isCompressed(data: Uint8Array): boolean {
  return data[0] === MAGIC[0] && data[1] === MAGIC[1];
}
