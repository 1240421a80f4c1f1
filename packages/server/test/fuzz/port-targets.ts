/** Whole machines behind their ports: a server with a client, a leader, a learner, an election, the admin server. */
import { connect } from 'node:net';
import { JuteWriter, LearnerInfo, makeZxid, PacketType, RequestHeader } from '@treekeeper/protocol';
import { type AdminOptions, startAdminHttp } from '../../src/admin/http.ts';
import { Election } from '../../src/zab/election.ts';
import { HAND_OVER_PACKET_TYPE } from '../../src/zab/packets.ts';
import { encodeNotification } from '../../src/zab/vote.ts';
import { FakeControl, fakeView } from '../admin/fake-view.ts';
import * as requests from '../replica/requests.ts';
import { TestServer } from '../replica/support.ts';
import { LoneLeader, LoneLearner, packetBytes, type TestLink } from '../zab/cluster/one-side.ts';
import { configurationOf, SILENT } from '../zab/support.ts';
import type { Target } from './fuzzer.ts';

const THREE = configurationOf([1, 2, 3]);
const E1 = makeZxid(1, 0);

function frame(request: requests.Request, xid: number): Uint8Array {
  const writer = new JuteWriter();
  writer.int(0);
  RequestHeader.encode(writer, { xid, type: request.opcode });
  request.encode(writer);
  writer.setInt(0, writer.length - 4);
  return writer.copy();
}

const { create, getData, multi, setData } = requests;
const everyRequest: readonly requests.Request[] = [
  create('/a', { data: 'x' }),
  requests.create2('/b', { flags: 2 }),
  requests.createContainer('/c'),
  requests.createTTL('/t', 100n),
  setData('/a', 'y'),
  requests.setACL('/a', [{ perms: 31, id: { scheme: 'digest', id: 'a:b' } }]),
  requests.exists('/a', true),
  getData('/', true),
  requests.getACL('/a'),
  requests.getChildren('/', true),
  requests.getChildren2('/'),
  requests.getAllChildrenNumber('/'),
  requests.getEphemerals('/'),
  requests.sync('/'),
  requests.whoAmI(),
  requests.auth('digest', 'ana:secret'),
  requests.addWatch('/', 1),
  requests.checkWatches('/', 3),
  requests.removeWatches('/', 3),
  requests.setWatches(0, { data: ['/a'], exist: ['/z'], child: ['/'] }),
  requests.setWatches2(0, { data: ['/a'] }),
  requests.reconfig({ joining: 'server.2=b:1:2' }),
  multi(create('/m'), requests.check('/m'), setData('/m', '1'), requests.remove('/m')),
  requests.multiRead(getData('/'), requests.getChildren('/')),
  requests.remove('/a'),
  requests.ping(),
  requests.closeSession(),
];

/** An odd first byte: behind the handshake of an honest client; even: in its place. */
const clientPort: Target = {
  name: 'client port',
  seeds: () => [
    ...everyRequest.map((request, i) => Uint8Array.of(1, ...frame(request, i + 1))),
    ...['ruok', 'srvr', 'stmk\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0001', 'mntr'].map((word) =>
      Uint8Array.of(0, ...Buffer.from(word)),
    ),
    Uint8Array.of(0, 0, 0, 0, 45, ...new Uint8Array(11), 39, 16, ...new Uint8Array(11), 16, ...new Uint8Array(17)),
  ],
  run(bytes) {
    const server = new TestServer();
    const honest = server.client();
    const stranger = (bytes[0] ?? 0) % 2 === 1 ? server.client() : server.connect();
    stranger.wire.sendBytes(bytes.subarray(1));
    server.settle();
    honest.ask(create('/honest'));
    server.restart(); // whatever was logged can be read
    server.client().ask(getData('/'));
  },
};

function int(value: number): Buffer {
  const writer = new JuteWriter();
  writer.int(value);
  return writer.copy();
}

function introduction(serverId: number, type: number = PacketType.followerInfo): Buffer {
  const writer = new JuteWriter();
  LearnerInfo.encode(writer, { serverId, protocolVersion: 0x10000, configVersion: 0 });
  return packetBytes(type, 0, writer.copy());
}

const ackEpoch = packetBytes(PacketType.ackEpoch, 0, int(0));
const ack = packetBytes(PacketType.ack, E1);

function join(leader: LoneLeader, serverId: number): TestLink {
  const link = leader.accept();
  for (const packet of [introduction(serverId), ackEpoch, ack]) {
    leader.receive(link, packet);
    leader.run();
  }
  return link;
}

/** In pieces of so many bytes, as the first byte says, and a turn after each. */
function inPieces(bytes: Uint8Array, take: (piece: Uint8Array) => void): void {
  const size = 8 + 8 * ((bytes[0] ?? 0) % 16);
  for (let at = 1; at < bytes.length; at += size) {
    take(bytes.subarray(at, at + size));
  }
}

function talk(...packets: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.of(5, ...Buffer.concat(packets));
}

const request = packetBytes(PacketType.request, -1, Buffer.concat([Buffer.alloc(8), int(1), int(1), int(3)]));
const revalidate = packetBytes(PacketType.revalidate, -1, Buffer.concat([Buffer.alloc(8), int(4000)]));
const ping = packetBytes(PacketType.ping, E1, Buffer.concat([Buffer.alloc(8), int(4000)]));

const leaderPort: Target = {
  name: 'quorum port of a leader',
  seeds: () => [
    talk(introduction(1), ackEpoch, ack, ping, request, revalidate, packetBytes(HAND_OVER_PACKET_TYPE, -1)),
    talk(introduction(7, PacketType.observerInfo), ackEpoch, ack, packetBytes(PacketType.ack, E1 + 1)),
    talk(introduction(3), ackEpoch),
  ],
  run(bytes) {
    const lone = new LoneLeader(3, THREE);
    const honest = join(lone, 2);
    const stranger = lone.accept();
    inPieces(bytes, (piece) => {
      lone.receive(stranger, piece);
      lone.run(1);
    });
    // It may say that it is server 2, and take the place of that; or have a newer epoch made. It can end nothing else.
    if (!honest.isClosed && lone.leadership.endReason === null && lone.leadership.leader?.open === true) {
      const zxid = lone.propose(Buffer.from('one'));
      lone.receive(honest, packetBytes(PacketType.ack, zxid));
      lone.run();
      if (lone.leadership.leader.committed < zxid) {
        throw new Error('a proposal that a quorum has is not committed');
      }
    }
  },
};

function proposal(zxid: number): Buffer {
  return packetBytes(PacketType.proposal, zxid, Buffer.from(`txn ${zxid - E1}`));
}

const leaderInfo = packetBytes(PacketType.leaderInfo, E1, int(0x10000));
const newLeader = packetBytes(PacketType.newLeader, E1, Buffer.from(THREE.text));
const upToDate = packetBytes(PacketType.upToDate, -1);

function commit(zxid: number): Buffer {
  return packetBytes(PacketType.commit, zxid);
}

const learnerPort: Target = {
  name: 'quorum port of a learner',
  seeds: () => [
    talk(
      leaderInfo,
      packetBytes(PacketType.diff, E1 + 1),
      proposal(E1 + 1),
      commit(E1 + 1),
      newLeader,
      upToDate,
      proposal(E1 + 2),
      commit(E1 + 2),
      packetBytes(PacketType.ping, E1 + 2),
      packetBytes(PacketType.sync, 0),
      packetBytes(PacketType.revalidate, -1, Buffer.concat([Buffer.alloc(8), Buffer.of(1)])),
      packetBytes(HAND_OVER_PACKET_TYPE, E1 + 2, Buffer.concat([Buffer.alloc(7), Buffer.of(2)])),
    ),
    talk(leaderInfo, packetBytes(PacketType.trunc, 0), newLeader, upToDate),
    talk(
      leaderInfo,
      packetBytes(PacketType.diff, 0),
      newLeader,
      upToDate,
      packetBytes(PacketType.inform, E1 + 1, Buffer.from('x')),
      packetBytes(PacketType.commitAndActivate, E1 + 1, Buffer.alloc(8)),
    ),
  ],
  run(bytes) {
    const lone = new LoneLearner(1, 3, THREE);
    inPieces(bytes, (piece) => {
      if (lone.learner.endReason === null) {
        lone.receive(piece);
        lone.run(5);
      }
    });
    lone.learner.close();
  },
};

/** Sender, length, notification; as often as there are some. A sender of 0 lets time pass. */
const elections: Target = {
  name: 'elections',
  seeds: () => {
    const said = (from: number, state: 0 | 1 | 2 | 3, leader: number, round: number): Uint8Array => {
      const vote = { leader, zxid: 5, peerEpoch: 1 };
      const bytes = encodeNotification(state, vote, round, leader === 2 ? THREE.text : '').subarray(0, 255);
      return Uint8Array.of(from, bytes.length, ...bytes);
    };
    return [
      Uint8Array.of(...said(3, 0, 3, 1), ...said(2, 0, 3, 1), 0, 0),
      Uint8Array.of(...said(3, 2, 3, 9), ...said(2, 1, 3, 9), 0, 0),
      Uint8Array.of(...said(2, 0, 2, 1), 0, 0, ...said(3, 3, 2, 1)),
    ];
  },
  run(bytes) {
    const options = { serverId: 1, notificationIntervalMsMin: 200, notificationIntervalMsMax: 60_000 };
    const outbox = { notify: () => undefined, dialAll: () => undefined };
    const election = new Election({ ...options, adoptsConfigurations: true }, outbox, SILENT);
    election.start(0, { lastZxid: 5, currentEpoch: 1 }, THREE, null);
    let nowMs = 0;
    for (let at = 0; at + 2 <= bytes.length; ) {
      const [from, length] = [bytes[at] % 8, bytes[at + 1]];
      at += 2;
      if (from === 0) {
        nowMs = Number.isFinite(election.deadlineMs) ? Math.max(nowMs, election.deadlineMs) : nowMs + 1;
        election.tick(nowMs);
      } else {
        election.receive(from, bytes.slice(at, at + length), nowMs);
        at += length;
      }
    }
    const { decided } = election;
    if (decided !== null && !THREE.isVoter(decided.leader)) {
      throw new Error(`${decided.leader} is elected, which has no vote`);
    }
  },
};

const adminOptions: AdminOptions = {
  host: '127.0.0.1',
  port: 0,
  tls: null,
  portUnification: false,
  forceHttps: false,
  needClientAuth: false,
  idleTimeoutMs: 30_000,
  commandUrl: '/commands',
  rateLimiterIntervalMs: 300_000,
  snapshotEnabled: true,
  restoreEnabled: true,
  serializeLastProcessedZxidEnabled: true,
  exportRuntimeMetrics: false,
};

/** What the fake control says of a snapshot that is none, and what is said of one that breaks off. */
const REFUSED = /^admin command "restore" failed: (?:not a snapshot|aborted)$/;

/** Everything that the other side says until it ends the connection. */
function conversation(port: number, said: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(heard));
    socket.end(said);
  });
}

const adminPort: Target = {
  name: 'admin http',
  seeds: () =>
    [
      'GET /commands HTTP/1.1\r\nHost: a\r\n\r\n',
      'GET /commands/srvr?x=%41&y HTTP/1.0\r\n\r\n',
      'GET /commands/stat HTTP/1.0\r\nAuthorization: digest a:b\r\n\r\n',
      'POST /commands/restore HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nAuthorization: digest x\r\n\r\nabc',
      'GET /commands/snapshot?streaming=true HTTP/1.1\r\nHost: a\r\nAuthorization: digest x\r\n\r\n',
      'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nGET /readyz HTTP/1.1\r\n\r\n',
    ].map((text) => new Uint8Array(Buffer.from(text))),
  async run(bytes) {
    const errors: string[] = [];
    const listener = await startAdminHttp(adminOptions, {
      view: fakeView(),
      control: new FakeControl(),
      authorize: (scheme) => (scheme === 'digest' ? 'permitted' : 'notAuthenticated'),
      log: { ...SILENT, error: (message) => errors.push(...(REFUSED.test(message) ? [] : [message])) },
      nowMs: () => 0,
    });
    try {
      await conversation(listener.port, bytes);
      const honest = await conversation(listener.port, Buffer.from('GET /commands/ruok HTTP/1.0\r\n\r\n'));
      if (!honest.startsWith('HTTP/1.1 200 ') || errors.length > 0) {
        throw new Error(`the next one is answered ${JSON.stringify(honest.slice(0, 200))}; ${errors.join('; ')}`);
      }
    } finally {
      await listener.close();
    }
  },
};

export const portTargets: readonly Target[] = [clientPort, leaderPort, learnerPort, elections, adminPort];
