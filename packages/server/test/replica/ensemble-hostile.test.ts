/** Servers that send each other what no server sends: they are cut off, and nobody else notices. */
import { JuteWriter, OpCode, PacketType } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Link } from '../../src/io/peers.ts';
import { type Packet, PacketStream } from '../../src/zab/packet-stream.ts';
import { writeAckEpoch, writeLearnerInfo, writePacket } from '../../src/zab/packets.ts';
import { expectSameTrees, TestEnsemble, type TestMember } from './ensemble.ts';
import { auth, create, getData, multi, remove, setACL, setData, sync } from './requests.ts';

/** Where a transaction's zxid stands in a proposal. */
const ZXID_AT = 12;
const LAST_TYPE = 20;
const OPEN_ACL = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }];

function packetBytes(type: number, zxid: number, data: Uint8Array | null = null): Buffer {
  const writer = new JuteWriter();
  writePacket(writer, type, zxid, data);
  return writer.copy();
}

/** Changes some bytes, and may leave out the end. */
interface Damage {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly keeps: number;
}

const damage: fc.Arbitrary<Damage> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  bytes: fc.uint8Array({ maxLength: 6 }),
  keeps: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 1, noNaN: true })),
});

function damaged(whole: Uint8Array, { at, bytes, keeps }: Damage): Buffer {
  const copy = Buffer.from(whole);
  copy.set(bytes.subarray(0, copy.length), Math.floor(at * Math.max(0, copy.length - bytes.length)));
  return copy.subarray(0, Math.ceil(keeps * copy.length));
}

/** Packets of these types that come to a member while `act` happens. */
function recorded(member: TestMember, types: readonly number[], act: () => void): Packet[] {
  const stream = new PacketStream();
  const push = member.push.bind(member);
  member.push = (input) => {
    if (input.kind === 'link-data') {
      stream.push(new Uint8Array(input.bytes));
    }
    push(input);
  };
  act();
  member.push = push;
  const packets: Packet[] = [];
  for (let packet = stream.next(); packet !== null; packet = stream.next()) {
    if (types.includes(packet.type)) {
      packets.push(packet);
    }
  }
  return packets;
}

/** A little of everything. */
function workOf(member: TestMember, name: string): void {
  const client = member.client();
  client.get(create(`/${name}`));
  client.get(create(`/${name}/e`, { flags: 1 }));
  client.get(setData(`/${name}`, 'other data'));
  client.get(setACL(`/${name}`, OPEN_ACL));
  client.get(multi(create(`/${name}/m`), setData(`/${name}`, 'x')));
  client.get(remove(`/${name}/m`));
  client.get(sync('/'));
}

/** Somebody who has dialled a leader, and what the leader sends there. */
class Stranger implements Link {
  readonly remoteAddress = 'a stranger';
  readonly unsentBytes = 0;
  readonly #leader: TestMember;
  readonly #stream = new PacketStream();
  isOpen = true;

  constructor(ensemble: TestEnsemble) {
    this.#leader = ensemble.leader;
    this.#leader.push({ kind: 'link-open', link: this, dialled: false });
  }

  write(bytes: Uint8Array): void {
    this.#stream.push(bytes);
  }

  close(): void {
    this.isOpen = false;
  }

  get received(): Packet | null {
    return this.#stream.next();
  }

  send(bytes: Uint8Array): void {
    this.#leader.push({ kind: 'link-data', link: this, bytes: new Uint8Array(bytes) });
    this.#leader.settle();
  }

  /** Goes as far as the synchronisation, as an observer whom nobody knows. */
  join(): void {
    const writer = new JuteWriter();
    writeLearnerInfo(writer, PacketType.observerInfo, 0, 77, 0);
    this.send(writer.copy());
    const epochZxid = this.received?.zxid ?? 0;
    writer.clear();
    writeAckEpoch(writer, 0, 0);
    this.send(writer.copy());
    this.send(packetBytes(PacketType.ack, epochZxid));
  }
}

describe('a leader', () => {
  const ensemble = new TestEnsemble(3);
  const { leader } = ensemble;
  const [follower] = ensemble.learners;
  const requests = recorded(leader, [PacketType.request, PacketType.revalidate, PacketType.ping], () => {
    workOf(follower, 'requests');
  });
  let written = 0;

  function expectUndisturbed(): void {
    expect(ensemble.leader).toBe(leader);
    const client = follower.client();
    client.get(create(`/undisturbed-${written++}`));
    expect(leader.replica?.member?.report.learners.filter(({ isSynced }) => isSynced).length).toBeGreaterThanOrEqual(2);
  }

  test('cuts off who sends anything but packets, in any stage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 120 }), fc.boolean(), (bytes, joins) => {
        const stranger = new Stranger(ensemble);
        if (joins) {
          stranger.join();
        }
        stranger.send(bytes);
        leader.push({ kind: 'link-gone', link: stranger });
        expectUndisturbed();
      }),
      { numRuns: 60 },
    );
  });

  test('takes requests, PINGs and questions for sessions as they come, however damaged', () => {
    expect(requests.length).toBeGreaterThan(6);
    const each = fc.tuple(fc.nat({ max: requests.length - 1 }), damage);
    fc.assert(
      fc.property(fc.array(each, { minLength: 1, maxLength: 8 }), (list) => {
        const stranger = new Stranger(ensemble);
        stranger.join();
        for (const [which, harm] of list) {
          const { type, zxid, data } = requests[which];
          stranger.send(packetBytes(type, zxid, damaged(data ?? new Uint8Array(0), harm)));
        }
        leader.push({ kind: 'link-gone', link: stranger });
        expectUndisturbed();
      }),
      { numRuns: 60 },
    );
  });

  test('refuses who has its own id: its acknowledgements would count as those of the leader', () => {
    const stranger = new Stranger(ensemble);
    const writer = new JuteWriter();
    writeLearnerInfo(writer, PacketType.followerInfo, 0, leader.id, 0);
    stranger.send(writer.copy());
    expect(stranger.isOpen).toBe(false);
    expect(leader.messages.at(-1)).toMatch(/has the id of its leader, \d: in one of the two myid is wrong/);
    expectUndisturbed();
  });

  test('acknowledgements of what was never proposed close the link', () => {
    const stranger = new Stranger(ensemble);
    stranger.join();
    stranger.send(packetBytes(PacketType.ack, leader.running.world.tree.lastZxid + 10));
    expect(stranger.isOpen).toBe(false);
    expectUndisturbed();
  });

  test('and so do a length and a number of texts beyond all reason', () => {
    for (const [dataLength, texts] of [
      [0x7fffffff, 0],
      [-2, 0],
      [0, 0x3fffffff],
    ]) {
      const stranger = new Stranger(ensemble);
      stranger.join();
      const writer = new JuteWriter();
      writer.int(PacketType.request);
      writer.long(-1);
      writer.int(dataLength);
      writer.int(texts);
      for (let i = 0; i < 600_000; i++) {
        writer.int(0);
      }
      stranger.send(writer.copy());
      expect(stranger.isOpen).toBe(false);
    }
    expectUndisturbed();
    expectSameTrees(ensemble);
  });
});

describe('a follower', () => {
  const ensemble = new TestEnsemble(3);
  const [follower, other] = ensemble.learners;
  const proposals = recorded(follower, [PacketType.proposal], () => workOf(other, 'proposals'));

  /** As if its leader had sent it. */
  function send(bytes: Uint8Array): void {
    const link = follower.links.findLast(({ isOpen }) => isOpen);
    expect(link).toBeDefined();
    follower.push({ kind: 'link-data', link: link as Link, bytes: new Uint8Array(bytes) });
    follower.settle();
  }

  const lastZxid = (): number => follower.running.world.tree.lastZxid;

  test('does not log what is no transaction', () => {
    ensemble.settle();
    const zxid = lastZxid();
    const said = follower.messages.length;
    send(packetBytes(PacketType.proposal, zxid + 1, Buffer.from('no transaction')));
    expect(follower.messages.slice(said).join()).toContain('what the leader sent cannot be read');
    ensemble.untilServing();
    const { disk } = follower;
    const logs = disk.list('log').map(({ name, sizeBytes }) => Buffer.from(disk.read('log', name, 0, sizeBytes)));
    expect(logs.length).toBeGreaterThan(0);
    expect(logs.some((log) => log.includes('no transaction'))).toBe(false);
    follower.kill();
    follower.start();
    expect(lastZxid()).toBe(zxid);
    ensemble.untilServing();
    expectSameTrees(ensemble);
  });

  test('lives on whatever its leader proposes, and can be started again', () => {
    expect(proposals.length).toBeGreaterThan(6);
    const each = fc.tuple(fc.nat({ max: proposals.length - 1 }), damage, fc.boolean());
    fc.assert(
      fc.property(each, ([which, harm, isInform]) => {
        const { data } = proposals[which];
        const zxid = lastZxid() + 1;
        const payload = Buffer.alloc(Math.max(damaged(data ?? new Uint8Array(0), harm).length, ZXID_AT + 8));
        payload.set(damaged(data ?? new Uint8Array(0), harm));
        payload.writeBigInt64BE(BigInt(zxid), ZXID_AT);
        send(packetBytes(isInform ? PacketType.inform : PacketType.proposal, zxid, payload));
        if (follower.links.some(({ isOpen }) => isOpen)) {
          send(packetBytes(PacketType.commit, zxid));
        }
        follower.kill();
        follower.start();
        follower.wipe(); // what it was made to believe goes
        follower.start();
        ensemble.untilServing();
      }),
      { numRuns: 80 },
    );
    expectSameTrees(ensemble);
  });

  test('leaves a leader that sends anything but packets, and finds it again', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 60 }), fc.nat({ max: LAST_TYPE }), (bytes, type) => {
        const garbage = Buffer.from(bytes);
        garbage.writeInt32BE(type, 0);
        send(garbage);
        ensemble.advance(8000); // what looks like the beginning of a packet is waited for
        ensemble.untilServing();
      }),
      { numRuns: 40 },
    );
    const client = follower.client();
    client.get(create('/after-all'));
    expect(client.err(getData('/after-all'))).toBe(0);
    expectSameTrees(ensemble);
  });
});

test('2623: a check that stands alone, as learners of Java forward it, becomes an error and no transaction', () => {
  const ensemble = new TestEnsemble(3);
  const { member, world } = ensemble.leader.running;
  const [from] = member?.peer.leadership?.learners ?? [];
  const client = ensemble.learners[0].client();
  const { lastZxid, nodeCount } = world.tree;
  const request = { sessionId: client.wire.sessionId, cxid: 7, type: OpCode.check, authinfo: null };
  member?.forwarded(from, { ...request, body: Buffer.from('000000012f00000000', 'hex') });
  ensemble.settle();
  expect(world.tree).toMatchObject({ lastZxid: lastZxid + 1, nodeCount });
  expectSameTrees(ensemble);
});

test.each([
  ['long users', 6, (i: number) => Buffer.from(`${'u'.repeat(900_000)}${i}:p`)],
  ['bytes that are no text', 2, (i: number) => Buffer.from(`${i}${'\xff'.repeat(900_000)}:p`, 'latin1')],
  ['many users', 60, (i: number) => Buffer.from(`${'u'.repeat(40_000)}${i}:p`)],
])('a client with %s for identities cannot have a follower cut off from its leader', (_, count, login) => {
  const ensemble = new TestEnsemble(3);
  const [follower] = ensemble.learners;
  const other = follower.client();
  const { sessionId } = other;
  let client = follower.client();
  for (let i = 0; i < count; i++) {
    if (client.err(auth('digest', login(i))) !== 0) {
      expect(client.closed).toBe(true);
      client = follower.client();
    }
  }
  client.get(create('/a'));
  client.get(sync('/'));
  expect(other.closed).toBe(false);
  expect(other.err(getData('/a'))).toBe(0);
  expect(other.sessionId).toBe(sessionId);
  expect(ensemble.leader.messages.filter((message) => message.includes('no packet'))).toEqual([]);
});
