/** The database behind a SNAP packet (quorum-protocol.md §5.6), from Java and from us, in pieces of any size. */
import { type ACL, JuteError, JuteWriter, SNAP_STREAM_END } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SnapshotStreamReader } from '../../src/storage/snapshot-stream-reader.ts';
import { SnapshotStreamWriter } from '../../src/storage/snapshot-stream-writer.ts';
import { goldenJson, ListSource, node, nodesText, type RecordedNode, RecordingSink } from './support.ts';

const STREAMS = goldenJson<Record<string, string>>('quorum/snapshot-streams.json');
const idle = Buffer.from(STREAMS['zookeeper-3.8.0-idle'], 'hex');
const used = Buffer.from(STREAMS['zookeeper-3.10.0-used'], 'hex');
const FIELD_BYTES_MAX = 0xfffff;

function closing(): Buffer {
  const writer = new JuteWriter();
  writer.ustring(SNAP_STREAM_END);
  return writer.copy();
}

class EndingSource extends ListSource {
  ended = 0;
  end(): void {
    this.ended++;
  }
}

function outgoing(source: EndingSource, sliceBytes = 100): Buffer {
  const snapshot = new SnapshotStreamWriter(source, sliceBytes);
  const slices: Uint8Array[] = [];
  for (let slice = snapshot.next(); slice !== null; slice = snapshot.next()) {
    slices.push(slice);
  }
  return Buffer.concat([...slices, closing()]);
}

/** Takes the bytes in pieces that end at `cuts`; each piece is scribbled over afterwards. */
function take(bytes: Buffer, cuts: readonly number[] = []): { sink: RecordingSink; rest: number } {
  const sink = new RecordingSink();
  const incoming = new SnapshotStreamReader(sink, FIELD_BYTES_MAX);
  const ends = [...new Set([...cuts.map((cut) => cut % bytes.length), bytes.length])].sort((a, b) => a - b);
  let from = 0;
  let rest = 0;
  for (const end of ends) {
    const piece = Buffer.concat([Buffer.from('ab'), bytes.subarray(from, end)]);
    const taken = incoming.take(piece, 2);
    rest += piece.length - taken;
    expect(incoming.done || taken === piece.length).toBe(true);
    piece.fill(0xee);
    from = end;
  }
  expect(incoming.done).toBe(true);
  return { sink, rest };
}

function content(sink: RecordingSink): string {
  const acls = [...sink.acls].map(([id, acl]) => `${id} ${JSON.stringify(acl)}`);
  const sessions = [...sink.sessions].map(([id, timeoutMs]) => `${id} ${timeoutMs}`);
  return [...sessions, ...acls, nodesText(sink.nodes.values())].join('\n');
}

describe('what Java sends', () => {
  test('a database without transactions', () => {
    const { sink } = take(idle);
    expect([...sink.nodes.keys()]).toEqual(['', '/zookeeper', '/zookeeper/config', '/zookeeper/quota']);
    expect(sink.nodes.get('/zookeeper/config')).toMatchObject({ aclId: 1n, stat: { version: -1, aversion: -1 } });
    expect(Buffer.from(sink.nodes.get('/zookeeper/config')?.data ?? []).toString()).toMatch(
      /^server\.1=.*\nversion=0$/s,
    );
    expect(sink.sessions.size).toBe(0);
    expect([...sink.acls]).toEqual([[1n, [{ perms: 1, id: { scheme: 'world', id: 'anyone' } }]]]);
  });

  test('one that has been in use', () => {
    const { sink } = take(used);
    expect([...sink.sessions]).toEqual([
      [0x30000376a870000n, 10000],
      [0x200003753660000n, 10000],
      [0x300003737ba0000n, 10000],
    ]);
    expect([...sink.acls.keys()]).toEqual([1n, 2n]);
    expect(sink.nodes.size).toBe(12);
    expect(sink.nodes.get('')?.stat).toMatchObject({ cversion: 8, pzxid: 0x300000002n });
    expect(sink.nodes.get('/q0')).toMatchObject({
      data: new Uint8Array(Buffer.from('1')),
      aclId: 2n,
      stat: { czxid: 0x200000002n, mzxid: 0x200000002n, ctime: 1795220341468n },
    });
  });

  test.each([
    ['idle', idle],
    ['used', used],
  ])('comes out as it came in, byte for byte: %s', (_, stream) => {
    const { sink } = take(stream);
    const { nodes, sessions, acls } = sink;
    expect(outgoing(new EndingSource(7, [...nodes.values()], { sessions, acls })).equals(stream)).toBe(true);
  });

  test('cut into pieces at every byte, and into single bytes', () => {
    const whole = content(take(used).sink);
    for (let cut = 1; cut < used.length; cut++) {
      expect(content(take(used, [cut]).sink)).toBe(whole);
    }
    expect(
      content(
        take(
          used,
          Array.from(used, (_, i) => i),
        ).sink,
      ),
    ).toBe(whole);
  });

  test('what stands behind it is left alone', () => {
    const behind = Buffer.concat([used, Buffer.from('next packet')]);
    for (const cuts of [[], [used.length - 3], [used.length]]) {
      const { sink, rest } = take(behind, cuts);
      expect(content(sink)).toBe(content(take(used).sink));
      expect(rest).toBe('next packet'.length);
    }
  });
});

const data = fc.option(fc.uint8Array({ maxLength: 3000 }), { nil: null });
const acl: fc.Arbitrary<ACL> = fc.record({
  perms: fc.integer({ min: 0, max: 31 }),
  id: fc.record({ scheme: fc.string({ maxLength: 9 }), id: fc.string({ maxLength: 30 }) }),
});
const database = fc.record({
  sessions: fc.array(fc.tuple(fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }), fc.integer({ min: 0, max: 40_000 }))),
  acls: fc.array(fc.array(acl, { maxLength: 4 }), { maxLength: 5 }),
  contents: fc.array(data, { maxLength: 12 }),
});

test('any database, in slices of any size, cut into any pieces', () => {
  fc.assert(
    fc.property(database, fc.array(fc.nat(40_000)), fc.integer({ min: 1, max: 4000 }), (given, cuts, sliceBytes) => {
      const nodes: RecordedNode[] = [
        node(''),
        ...given.contents.map((bytes, i) => node(`/n${i}`, bytes, BigInt(i) - 1n)),
      ];
      const source = new EndingSource(5, nodes, {
        sessions: new Map(given.sessions),
        acls: new Map(given.acls.map((list, i) => [BigInt(i) + 1n, list])),
      });
      const { sink } = take(outgoing(source, sliceBytes), cuts);
      expect(nodesText(sink.nodes.values())).toBe(nodesText(nodes));
      expect(sink.sessions).toEqual(source.sessions);
      expect(sink.acls).toEqual(source.acls);
      expect(source.ended).toBe(1);
    }),
    { numRuns: 200 },
  );
});

test('an outgoing snapshot that is no longer wanted ends once', () => {
  const source = new EndingSource(5, [node(''), node('/a', Buffer.alloc(300)), node('/b')]);
  const snapshot = new SnapshotStreamWriter(source, 50);
  expect(snapshot.zxid).toBe(5);
  expect(snapshot.next()).not.toBeNull();
  snapshot.end();
  snapshot.end();
  expect(snapshot.next()).toBeNull();
  expect(source.ended).toBe(1);
});

describe('what is no snapshot', () => {
  function refusal(bytes: Buffer): string {
    const incoming = new SnapshotStreamReader(new RecordingSink(), FIELD_BYTES_MAX);
    try {
      incoming.take(bytes, 0);
    } catch (error) {
      expect(error).toBeInstanceOf(JuteError);
      return (error as Error).message;
    }
    return '';
  }

  function ints(...values: number[]): Buffer {
    const bytes = Buffer.alloc(values.length * 4);
    values.forEach((value, i) => bytes.writeInt32BE(value, i * 4));
    return bytes;
  }

  function changed(at: number, value: number): Buffer {
    const bytes = Buffer.from(idle);
    bytes.writeInt32BE(value, at);
    return bytes;
  }

  const pathAt = idle.indexOf('/zookeeper') - 4;

  test.each([
    ['a negative number of sessions', ints(-1), 'at offset 0 (session count), a count of -1'],
    ['a negative number of ACLs', ints(0, -2), 'at offset 4 (ACL count), a count of -2'],
    ['an ACL that is null', ints(0, 1, 0, 1, -1), 'at offset 8 (ACL), a count of -1'],
    ['a path that is too long', changed(pathAt, 0x100000), '(node), a length of 1048576, and the limit is 1048575'],
    ['a negative length', changed(pathAt, -2), '(node), a length of -2'],
    [
      'another text at the end',
      Buffer.concat([idle.subarray(0, -1), Buffer.from('E')]),
      '"BenWasHerE" of 10 bytes where \'BenWasHere\' belongs',
    ],
    ['a longer text at the end', changed(idle.length - 14, 11), 'null of 11 bytes where'],
  ])('%s', (_, bytes, message) => {
    expect(refusal(bytes)).toContain(message);
  });

  test('a node without its parent is named', () => {
    const source = new EndingSource(5, [node(''), node('/a/b')]);
    expect(refusal(outgoing(source))).toMatch(/\(node\), a node of 80 bytes that cannot be: \/a\/b has no parent$/);
  });

  test('a null path', () => {
    expect(refusal(Buffer.concat([ints(0, 0, -1), Buffer.alloc(100)]))).toContain('null string');
  });

  test('whatever bytes are changed: refused with a clear error, or read', () => {
    fc.assert(
      fc.property(fc.nat(used.length - 1), fc.nat(255), fc.nat(used.length), (at, value, cut) => {
        const bytes = Buffer.from(used);
        bytes[at] = value;
        const incoming = new SnapshotStreamReader(new RecordingSink(), FIELD_BYTES_MAX);
        try {
          incoming.take(bytes.subarray(0, cut), 0);
          incoming.take(bytes.subarray(cut), 0);
        } catch (error) {
          expect(error).toBeInstanceOf(JuteError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('a length that is too long is refused before its bytes have come', () => {
    expect(refusal(ints(0, 0, 0x7fffffff))).toContain('a length of 2147483647');
  });
});
