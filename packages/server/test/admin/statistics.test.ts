import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PauseMonitor } from '../../src/admin/pause-monitor.ts';
import { ProcessHost } from '../../src/admin/process-host.ts';
import { PercentileSummary } from '../../src/metrics/primitives.ts';
import { ConnectionStatistics, Statistics } from '../../src/metrics/statistics.ts';

test('server statistics, and what a reset leaves alone', () => {
  const statistics = new Statistics();
  expect(statistics).toMatchObject({ minLatencyMs: 0, maxLatencyMs: 0, lastResponseBytes: -1, minResponseBytes: -1 });
  for (const latencyMs of [5, 2, 9]) {
    statistics.recordLatency(latencyMs);
  }
  for (const sizeBytes of [40, 0, 16]) {
    statistics.recordResponse(sizeBytes);
  }
  statistics.packetsReceived = 3;
  statistics.authFailedCount = 1;
  const recorded = { minLatencyMs: 2, maxLatencyMs: 9, totalLatencyMs: 16, latencyCount: 3 };
  expect(statistics).toMatchObject({ ...recorded, lastResponseBytes: 16, minResponseBytes: 0, maxResponseBytes: 40 });
  statistics.reset();
  const fresh = new Statistics();
  fresh.authFailedCount = 1;
  expect(statistics).toEqual(fresh);
});

test('connection statistics', () => {
  const statistics = new ConnectionStatistics();
  statistics.recordAnswer(4, 7, 100, 5, 1000);
  statistics.recordAnswer(11, -2, 101, 2, 1010);
  expect(statistics).toMatchObject({
    lastOperation: 11,
    lastCxid: 7,
    lastZxid: 101,
    lastResponseTimeMs: 1010,
    lastLatencyMs: 2,
    minLatencyMs: 2,
    maxLatencyMs: 5,
    totalLatencyMs: 7,
    latencyCount: 2,
  });
  statistics.reset();
  expect(statistics).toEqual(new ConnectionStatistics());
});

test('pauses of the event loop are measured and, when long, told', () => {
  const lines: string[] = [];
  const log = {
    info: (message: string) => lines.push(`info ${message}`),
    warn: (message: string) => lines.push(`warn ${message}`),
    error: (message: string) => lines.push(`error ${message}`),
  };
  const pauses = new PercentileSummary(true);
  const monitor = new PauseMonitor({ sleepMs: 500, infoThresholdMs: 1000, warnThresholdMs: 10000 }, pauses, log);
  for (const sleptMs of [499.8, 500.4, 1500, 1501, 10501]) {
    monitor.sample(sleptMs);
  }
  expect(lines).toEqual([
    'info the event loop stood still for 1001 ms',
    'warn the event loop stood still for 10001 ms',
  ]);
  expect([monitor.infoCount, monitor.warnCount]).toEqual([1, 1]);
  expect(pauses).toMatchObject({ count: 5, min: 0, max: 10001 });
});

test('the real process', () => {
  const directory = mkdtempSync(join(tmpdir(), 'treekeeper-'));
  try {
    writeFileSync(join(directory, 'log.1'), new Uint8Array(1000));
    writeFileSync(join(directory, 'snapshot.0'), new Uint8Array(23));
    const host = new ProcessHost({
      dataDir: directory,
      dataLogDir: join(directory, 'missing'),
      systemProperties: new Map([['zookeeper.x', '1']]),
    });
    expect([host.dataDirSizeBytes(), host.dataLogDirSizeBytes()]).toEqual([1023, 0]);
    expect(
      host
        .environment()
        .map(([key]) => key)
        .join(' '),
    ).toBe(
      'zookeeper.version host.name java.version java.vendor java.home java.class.path java.library.path java.io.tmpdir ' +
        'java.compiler os.name os.arch os.version user.name user.home user.dir os.memory.free os.memory.max os.memory.total',
    );
    const environment = new Map(host.environment());
    expect(environment.get('zookeeper.version')).toMatch(/^3\.10\.0-/);
    expect(environment.get('os.memory.max')).toMatch(/^\d+MB$/);
    expect(new Map(host.systemProperties()).get('zookeeper.x')).toBe('1');
    const [open, max] = [host.openFileDescriptors(), host.maxFileDescriptors()];
    expect(open === -1 || (open > 2 && max >= open)).toBe(true);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
