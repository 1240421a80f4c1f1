import { JuteError, JuteWriter, QuorumPacket } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Packet, PacketStream } from '../../src/zab/packet-stream.ts';

const text = fc.string({ maxLength: 12, unit: 'grapheme' });
const packet: fc.Arbitrary<Packet> = fc.record({
  type: fc.integer({ min: 1, max: 30 }),
  zxid: fc.oneof(fc.constant(-1), fc.maxSafeInteger()),
  data: fc.option(fc.uint8Array({ maxLength: 50 })),
  authinfo: fc.option(fc.array(fc.record({ scheme: text, id: text }), { maxLength: 3 })),
});

function encoded(packets: readonly Packet[]): Buffer {
  const writer = new JuteWriter();
  for (const each of packets) {
    QuorumPacket.encode(writer, each);
  }
  return writer.copy();
}

function* pieces(bytes: Uint8Array, sizes: readonly number[]): Iterable<Uint8Array> {
  let start = 0;
  for (let i = 0; start < bytes.length; i++) {
    const end = start + sizes[i % sizes.length];
    yield new Uint8Array(bytes.subarray(start, end));
    start = end;
  }
}

describe('packets without lengths', () => {
  test('come out as they went in, in pieces of any size', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 8 }), sizes, fc.boolean(), (packets, sizesOf, isLate) => {
        const stream = new PacketStream();
        const found: Packet[] = [];
        const drain = (): void => {
          for (let next = stream.next(); next !== null; next = stream.next()) {
            found.push(next);
          }
        };
        for (const piece of pieces(encoded(packets), sizesOf)) {
          stream.push(piece);
          if (!isLate) {
            drain();
          }
        }
        drain();
        expect(found).toEqual(packets);
      }),
    );
  });

  test('any bytes are a packet, not yet one, or an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const stream = new PacketStream(1000);
        stream.push(bytes);
        try {
          while (stream.next() !== null) {
            // the next one
          }
        } catch (error) {
          expect(error).toBeInstanceOf(JuteError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['data longer than allowed', '0000000200000000000000010000041affffffff'],
    ['data of a negative length', '000000020000000000000001fffffffeffffffff'],
    ['a zxid that no epoch has', '0000000240000000000000010000000000000000'],
    ['authinfo without end', `000000020000000000000001ffffffff7fffffff${'00000000'.repeat(300)}`],
  ])('%s is an error', (_what, hex) => {
    const stream = new PacketStream(1000);
    stream.push(Buffer.from(hex, 'hex'));
    expect(() => stream.next()).toThrow(JuteError);
  });

  test('a snapshot stands between two packets, wherever the pieces end', () => {
    const whole = Buffer.concat([encoded([SNAP]), Buffer.from('snapshot!'), encoded([SNAP])]);
    for (let size = 1; size < whole.length; size++) {
      const stream = new PacketStream();
      const taken: number[] = [];
      const snapshot = {
        get done(): boolean {
          return taken.at(-1) === '!'.charCodeAt(0);
        },
        take(bytes: Uint8Array, start: number): number {
          taken.push(bytes[start]);
          return start + 1;
        },
      };
      let count = 0;
      for (const piece of pieces(whole, [size])) {
        stream.push(piece);
        if (count === 0 && stream.next() !== null) {
          count++;
        }
        if (count === 1) {
          stream.drainInto(snapshot);
          count += snapshot.done && stream.next() !== null ? 1 : 0;
        }
      }
      expect(Buffer.from(taken).toString()).toBe('snapshot!');
      expect(count, `pieces of ${size}`).toBe(2);
    }
  });
});

const SNAP: Packet = { type: 15, zxid: 1, data: null, authinfo: null };
