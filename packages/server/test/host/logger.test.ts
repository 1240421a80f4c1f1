import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { createLogger, type LogOptions } from '../../src/host/logger.ts';
import { RollingFile } from '../../src/host/rolling-file.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'treekeeper-log-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const TIME_MS = Date.UTC(2026, 10, 21, 9, 30, 0, 123);

function lines(
  config: Partial<LogOptions>,
  isTTY = false,
): { log: ReturnType<typeof createLogger>; written: string[] } {
  const written: string[] = [];
  const stream = { isTTY, write: (text: string) => written.push(text) };
  const log = createLogger({ ...loadConfig().config.log, directory: dir, ...config }, stream, () => TIME_MS);
  return { log, written };
}

describe('the log', () => {
  test('a line for each message, further lines indented', () => {
    const { log, written } = lines({});
    log.info('started');
    log.error('Error: broken\n    at x\n');
    expect(written).toEqual([
      '2026-11-21T09:30:00.123Z INFO  started\n',
      '2026-11-21T09:30:00.123Z ERROR Error: broken\n        at x\n',
    ]);
  });

  test('coloured on a terminal', () => {
    const { log, written } = lines({}, true);
    log.warn('slow');
    expect(written).toEqual(['2026-11-21T09:30:00.123Z \u001b[33mWARN \u001b[0m slow\n']);
  });

  test.each([
    ['all', 3],
    ['info', 3],
    ['warn', 2],
    ['error', 1],
    ['off', 0],
  ] as const)('threshold %s lets %i of info, warn, error through', (consoleThreshold, count) => {
    const { log, written } = lines({ consoleThreshold });
    log.info('i');
    log.warn('w');
    log.error('e');
    expect(written).toHaveLength(count);
  });

  test('a file of its own threshold, without colours', () => {
    const { log, written } = lines({ file: 'server.log', threshold: 'warn', consoleThreshold: 'error' }, true);
    log.info('i');
    log.warn('w');
    expect(written).toEqual([]);
    expect(readFileSync(join(dir, 'server.log'), 'utf8')).toBe('2026-11-21T09:30:00.123Z WARN  w\n');
  });

  test('a file that cannot be opened is an error', () => {
    expect(() => lines({ file: '.' })).toThrow('EISDIR');
  });

  test('a missing directory is made', () => {
    lines({ file: 'logs/here/server.log' }).log.info('i');
    expect(readFileSync(join(dir, 'logs/here/server.log'), 'utf8')).toBe('2026-11-21T09:30:00.123Z INFO  i\n');
  });
});

describe('a rolling file', () => {
  test('is renamed when it is full; the oldest one goes', () => {
    const path = join(dir, 'x.log');
    const file = new RollingFile(path, 2, 2);
    for (const text of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) {
      file.write(text);
    }
    file.close();
    expect(readdirSync(dir).sort()).toEqual(['x.log', 'x.log.1', 'x.log.2']);
    expect(['', '.1', '.2'].map((suffix) => readFileSync(path + suffix, 'utf8'))).toEqual(['g', 'ef', 'cd']);
  });

  test('goes on where it was', () => {
    const path = join(dir, 'x.log');
    for (const text of ['ab', 'c']) {
      const file = new RollingFile(path, 100, 1);
      file.write(text);
      file.close();
    }
    expect(readFileSync(path, 'utf8')).toBe('abc');
  });

  test('keeps none when none is to be kept', () => {
    const path = join(dir, 'x.log');
    const file = new RollingFile(path, 1, 0);
    file.write('ab');
    file.write('c');
    file.close();
    expect(readFileSync(path, 'utf8')).toBe('c');
    expect(existsSync(`${path}.1`)).toBe(false);
  });
});
