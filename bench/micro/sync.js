/**
 * What a durable write of 200 bytes costs: one write to a file opened with O_DSYNC, or a write and then fdatasync, each
 * a trip through Node's thread pool. In turns, in files whose space is marked in advance.
 * `node bench/micro/sync.js DIRECTORY`
 */
import { closeSync, constants, fdatasync, mkdtempSync, openSync, rmSync, write, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const WRITES = 3000;
const FILE_BYTES = 64 * 2 ** 20;
const [writeAt, sync] = [promisify(write), promisify(fdatasync)];
const directory = mkdtempSync(join(process.argv[2] ?? '.', 'sync-'));
const record = Buffer.alloc(200, 1);

function file(name, flags) {
  const descriptor = openSync(join(directory, name), constants.O_WRONLY | constants.O_CREAT | flags);
  writeSync(descriptor, Buffer.of(0), 0, 1, FILE_BYTES - 1);
  return { name, descriptor, times: [] };
}

const both = [file('O_DSYNC', constants.O_DSYNC), file('fdatasync', 0)];
for (let i = 0; i < WRITES; i++) {
  for (const { name, descriptor, times } of both) {
    const began = performance.now();
    await writeAt(descriptor, record, 0, record.length, i * record.length);
    if (name === 'fdatasync') {
      await sync(descriptor);
    }
    times.push((performance.now() - began) * 1000);
  }
}
for (const { name, descriptor, times } of both) {
  closeSync(descriptor);
  times.sort((a, b) => a - b);
  const [median, p90] = [0.5, 0.9].map((part) => Math.round(times[Math.floor(part * times.length)]));
  console.log(`${name.padEnd(9)}  median ${median} µs, p90 ${p90} µs`);
}
rmSync(directory, { recursive: true });
