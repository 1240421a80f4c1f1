import { OpCode } from '@treekeeper/protocol';
import type { ConnectionView, ServerControl, ServerView } from '../../src/admin/view.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import { ConnectionStatistics, Statistics } from '../../src/metrics/statistics.ts';

/** An id that no JavaScript number can hold. */
export const SESSION = 72057718738255965n;
export const OTHER_SESSION = 0x100001b5d920061n;
/** Ids are signed: server ids from 128 on make them negative. */
export const NEGATIVE_SESSION = -9151314442816847871n;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export function fakeConnection(fields: Partial<Writable<ConnectionView>> = {}): ConnectionView {
  const statistics = new ConnectionStatistics();
  return {
    remoteAddress: '127.0.0.1',
    remotePort: 58464,
    secure: false,
    interestOps: 1,
    outstandingRequests: 0,
    statistics,
    sessionId: 0n,
    sessionTimeoutMs: 0,
    establishedWallMs: 1795219390762,
    ...fields,
  };
}

/** A connection that has sent a ping and three reads. */
export function busyConnection(): ConnectionView {
  const connection = fakeConnection({ sessionId: SESSION, sessionTimeoutMs: 40000 });
  const { statistics } = connection;
  statistics.packetsReceived = 4;
  statistics.packetsSent = 4;
  statistics.recordAnswer(OpCode.createSession, 0, 1260, 3, 2679000);
  statistics.recordAnswer(OpCode.getData, 2, 1260, 2, 2679010);
  statistics.recordAnswer(OpCode.ping, -2, 1260, 0.4, 2679011);
  statistics.recordAnswer(OpCode.getData, 3, 1260, 0.9, 2679017.25);
  return connection;
}

export function fakeView(fields: Partial<Writable<ServerView>> = {}): Writable<ServerView> {
  const statistics = new Statistics();
  statistics.packetsReceived = 1701;
  statistics.packetsSent = 1741;
  statistics.recordLatency(0.2);
  statistics.recordLatency(1);
  statistics.recordLatency(19.5);
  statistics.recordResponse(135);
  statistics.recordResponse(16);
  return {
    clock: { nowMs: 1_000_000, wallMs: Date.UTC(2026, 10, 21, 0, 9, 41) },
    statistics,
    metrics: createMetrics(),
    config: {
      clientPort: 2181,
      secureClientPort: -1,
      dataDir: '/data/version-2',
      dataLogDir: '/log/version-2',
      tickTimeMs: 2000,
      maxClientCnxns: 60,
      minSessionTimeoutMs: 4000,
      maxSessionTimeoutMs: 40000,
      clientPortListenBacklog: -1,
      serverId: 0,
      ensembleLimits: null,
      initialConfiguration: 'tickTime=2000\ndataDir=/data\n',
    },
    host: {
      dataDirSizeBytes: () => 666,
      dataLogDirSizeBytes: () => 67109337,
      environment: () => [
        ['zookeeper.version', '3.10.0-x, built on y'],
        ['host.name', 'h1'],
      ],
      systemProperties: () => [['zookeeper.admin.serverPort', '8080']],
      openFileDescriptors: () => 46,
      maxFileDescriptors: () => 20000,
    },
    serving: true,
    writesRefused: false,
    mode: 'standalone',
    ensemble: null,
    uptimeMs: 18965.5,
    outstandingRequests: 0,
    traceMask: 306n,
    lastZxid: 0x100000000,
    nodeCount: 4,
    approximateDataSizeBytes: 44,
    ephemeralsCount: 1,
    ephemeralsBySession: () => [[OTHER_SESSION, ['/app/e', '/app/f']]],
    digests: () => [
      { zxid: 128, digest: 2537813934n, digestVersion: 2 },
      { zxid: 256, digest: 2n ** 63n - 1n, digestVersion: 2 },
    ],
    quotas: () => [],
    lastSnapshot: { zxid: 0x4ec, timestampSeconds: 1795236302 },
    watchCount: 4,
    watchSummary: () => ({ connections: 2, paths: 3, watches: 3 }),
    watchesBySession: () => [
      [SESSION, ['/app', '/nope']],
      [NEGATIVE_SESSION, ['/app']],
    ],
    watchesByPath: () => [
      ['/app', [SESSION, NEGATIVE_SESSION]],
      ['/nope', [SESSION]],
    ],
    globalSessionCount: 2,
    localSessionCount: 0,
    foreignSessions: () => null,
    sessionsByExpiry: () => [
      { deadlineMs: 1_010_000, sessionIds: [OTHER_SESSION] },
      { deadlineMs: 1_030_000, sessionIds: [SESSION] },
    ],
    connectionCount: 2,
    connections: () => [busyConnection(), fakeConnection({ remotePort: 58470, interestOps: 0 })],
    connectionDropProbability: 0,
    outstandingTlsHandshakes: 0,
    ...fields,
  };
}

/** Notes what it is told to do. */
export class FakeControl implements ServerControl {
  readonly done: string[] = [];
  snapshot: Uint8Array | Error = new Uint8Array([0x5a, 0x4b, 0x53, 0x4e, 1, 2, 3]);
  restored = new Uint8Array();

  resetStatistics(): void {
    this.done.push('resetStatistics');
  }

  resetConnectionStatistics(): void {
    this.done.push('resetConnectionStatistics');
  }

  setTraceMask(mask: bigint): void {
    this.done.push(`setTraceMask ${mask}`);
  }

  async takeSnapshot() {
    const bytes = this.snapshot;
    if (bytes instanceof Error) {
      throw bytes;
    }
    return {
      lastZxid: 0x4ec,
      sizeBytes: bytes.length,
      read: async function* () {
        yield bytes.subarray(0, 4);
        yield bytes.subarray(4);
      },
    };
  }

  async restore(snapshot: AsyncIterable<Uint8Array>): Promise<number> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of snapshot) {
      chunks.push(chunk);
    }
    this.restored = new Uint8Array(Buffer.concat(chunks));
    if (this.restored.length === 0) {
      throw new Error('not a snapshot');
    }
    return 0x4ec;
  }

  yields: number | Error = 2;

  async yieldLeadership(serverId: number | null): Promise<number> {
    this.done.push(`yieldLeadership ${serverId}`);
    if (this.yields instanceof Error) {
      throw this.yields;
    }
    return this.yields;
  }

  closes: Error | null = null;

  async closeSession(id: bigint): Promise<void> {
    this.done.push(`closeSession ${id}`);
    if (this.closes !== null) {
      throw this.closes;
    }
  }

  shedConnections(percentage: number): number {
    this.done.push(`shedConnections ${percentage}`);
    return 3;
  }
}
