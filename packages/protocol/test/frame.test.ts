import { FrameLengthError, FrameReader } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesOf } from './support/hex.ts';

const LIMIT = 1000;

function framed(payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + payload.length);
  new DataView(frame.buffer).setInt32(0, payload.length);
  frame.set(payload, 4);
  return frame;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** The payloads that the reader cuts out of these chunks. Each chunk is overwritten afterwards, as a socket may. */
function cut(chunks: readonly Uint8Array[], reader = new FrameReader(LIMIT)): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (const chunk of chunks) {
    const own = chunk.slice();
    reader.push(own, (bytes, start, end) => {
      frames.push(new Uint8Array(bytes.subarray(start, end)));
      return true;
    });
    own.fill(0xaa);
  }
  return frames;
}

describe('any fragmentation gives the same frames', () => {
  const payloads = [[1], [], [2, 3, 4], [5, 6, 7, 8, 9, 10, 11, 12, 13], []].map((list) => new Uint8Array(list));
  const stream = joined(payloads.map(framed));

  test('byte by byte', () => {
    expect(cut(Array.from(stream, (byte) => new Uint8Array([byte])))).toEqual(payloads);
  });

  test('every split in three', () => {
    for (let first = 0; first <= stream.length; first++) {
      for (let second = first; second <= stream.length; second++) {
        const chunks = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)];
        expect(cut(chunks)).toEqual(payloads);
      }
    }
  });

  test('random frames, random chunks', () => {
    const anyPayloads = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 12 });
    fc.assert(
      fc.property(anyPayloads, fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1 }), (list, sizes) => {
        const bytes = joined(list.map(framed));
        const chunks: Uint8Array[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = i < sizes.length ? sizes[i] : 1 + (i % 37);
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        const reader = new FrameReader(LIMIT);
        expect(cut(chunks, reader)).toEqual(list);
        expect(reader.bufferedBytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});

describe('onFrame stops the reader', () => {
  test('whatever is left comes with the next calls, in order and once', () => {
    const anyPayloads = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 15 });
    fc.assert(
      fc.property(
        anyPayloads,
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }),
        (list, chunkBytes, answers) => {
          const bytes = joined(list.map(framed));
          const reader = new FrameReader(LIMIT);
          const frames: Uint8Array[] = [];
          let calls = 0;
          let stopped = false;
          const onFrame = (from: Uint8Array, start: number, end: number) => {
            expect(stopped).toBe(false);
            frames.push(new Uint8Array(from.subarray(start, end)));
            stopped = !answers[calls++ % answers.length];
            return !stopped;
          };
          let pushed = 0;
          for (; pushed < bytes.length; pushed += chunkBytes) {
            stopped = false;
            reader.push(bytes.slice(pushed, pushed + chunkBytes), onFrame);
          }
          // Each empty chunk gets at least one more frame out, if there is one.
          for (let i = 0; i < list.length; i++) {
            stopped = false;
            reader.push(new Uint8Array(0), onFrame);
          }
          expect(frames).toEqual(list);
          expect(reader.bufferedBytes).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('bytes that are kept wait for the next push, in order', () => {
    const reader = new FrameReader(100);
    const frames: number[] = [];
    reader.keep(bytesOf('00000001 0a 000000'));
    reader.keep(bytesOf('01 0b 00000001'));
    expect(frames).toEqual([]);
    expect(reader.bufferedBytes).toBe(14);
    reader.push(bytesOf('0c'), (bytes, start) => {
      frames.push(bytes[start]);
      return true;
    });
    expect(frames).toEqual([10, 11, 12]);
  });

  test('held bytes are counted', () => {
    const reader = new FrameReader(LIMIT);
    reader.push(bytesOf('00000001 0a 00000001 0b 0000'), () => false);
    expect(reader.bufferedBytes).toBe(7);
    reader.push(new Uint8Array(0), () => false);
    expect(reader.bufferedBytes).toBe(2);
  });
});

describe('bad lengths', () => {
  test.each(['ffffffff', '80000000', '000003e9', '7fffffff', '72756f6b'])('%s throws before any body', (prefix) => {
    expect(() => cut([bytesOf(prefix)])).toThrow(FrameLengthError);
    expect(() => cut(Array.from(bytesOf(prefix), (byte) => new Uint8Array([byte])))).toThrow(FrameLengthError);
    expect(() => cut([bytesOf('00000001 00'), bytesOf(prefix)])).toThrow(FrameLengthError);
  });

  test('frames before it are handed out', () => {
    const frames: number[] = [];
    const reader = new FrameReader(LIMIT);
    const push = () =>
      reader.push(bytesOf('00000001 07 ffffffff'), (bytes, start) => {
        frames.push(bytes[start]);
        return true;
      });
    expect(push).toThrow('frame length -1, limit 1000');
    expect(frames).toEqual([7]);
  });

  test('the limit is inclusive', () => {
    expect(cut([framed(new Uint8Array(LIMIT))])).toHaveLength(1);
    expect(() => cut([framed(new Uint8Array(LIMIT + 1))])).toThrow(FrameLengthError);
  });
});

describe('memory', () => {
  test('an announced length alone takes none', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 2000 }, () => new FrameReader(1_048_575));
    for (const reader of readers) {
      // A mebibyte announced, ten bytes sent.
      expect(cut([bytesOf('000fffff 0000'), bytesOf('0000 0000 0000 0000')], reader)).toEqual([]);
      expect(reader.bufferedBytes).toBe(14);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2000 * 10_000);
    expect(readers).toHaveLength(2000);
  });

  test('a frame in many chunks is put together once', () => {
    const payload = Uint8Array.from({ length: 900 }, (_, i) => i);
    const chunks = Array.from({ length: 91 }, (_, i) => framed(payload).subarray(10 * i, 10 * i + 10));
    expect(cut(chunks)).toEqual([payload]);
  });

  test('a frame that lies whole in its chunk is handed out in place', () => {
    const chunk = bytesOf('00000001 07 00000001 08');
    new FrameReader(LIMIT).push(chunk, (bytes) => {
      expect(bytes).toBe(chunk);
      return true;
    });
  });
});
