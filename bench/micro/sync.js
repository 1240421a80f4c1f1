/**
 * What a durable write costs: one write to a file opened with O_DSYNC, the same with zeros written ahead, or a write
 * and then fdatasync, each a trip through Node's thread pool. In turns, in files whose space is marked in advance.
 * `node bench/micro/sync.js DIRECTORY [BYTES]`; 200 bytes if none are given, at most 20000.
 */
import { closeSync, constants, fdatasync, mkdtempSync, openSync, rmSync, write, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const WRITES = 3000;
const FILE_BYTES = 64 * 2 ** 20;
const ZEROS_AHEAD_BYTES = 256 * 1024;
const [writeAt, sync] = [promisify(write), promisify(fdatasync)];
const directory = mkdtempSync(join(process.argv[2] ?? '.', 'sync-'));
const record = Buffer.alloc(Number(process.argv[3] ?? 200), 1);
const recordAndZeros = Buffer.concat([record, Buffer.alloc(ZEROS_AHEAD_BYTES)]);

function file(name, flags) {
  const descriptor = openSync(join(directory, name), constants.O_WRONLY | constants.O_CREAT | flags);
  writeSync(descriptor, Buffer.of(0), 0, 1, FILE_BYTES - 1);
  return { name, descriptor, times: [], filledBytes: 0 };
}

const files = [file('O_DSYNC', constants.O_DSYNC), file('zeros', constants.O_DSYNC), file('fdatasync', 0)];
for (let i = 0; i < WRITES; i++) {
  for (const each of files) {
    const { name, descriptor, times, filledBytes } = each;
    const position = i * record.length;
    const isFill = name === 'zeros' && position + record.length > filledBytes;
    const bytes = isFill ? recordAndZeros : record;
    each.filledBytes = Math.max(filledBytes, position + bytes.length);
    const began = performance.now();
    await writeAt(descriptor, bytes, 0, bytes.length, position);
    if (name === 'fdatasync') {
      await sync(descriptor);
    }
    times.push((performance.now() - began) * 1000);
  }
}
for (const { name, descriptor, times } of files) {
  closeSync(descriptor);
  times.sort((a, b) => a - b);
  const [median, p90] = [0.5, 0.9].map((part) => Math.round(times[Math.floor(part * times.length)]));
  const mean = Math.round(times.reduce((sum, time) => sum + time) / times.length);
  console.log(`${name.padEnd(9)}  median ${median} µs, p90 ${p90} µs, mean ${mean} µs`);
}
rmSync(directory, { recursive: true });
