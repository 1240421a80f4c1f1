import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { NodeDisk } from '../../src/host/node-disk.ts';
import { StagedSnapshot } from '../../src/wiring/staged-snapshot.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'treekeeper-staged-'));
const disk = new NodeDisk({ dataDir, dataLogDir: dataDir, autocreate: true, onCompletion: () => {} });
afterAll(async () => {
  await disk.close();
  rmSync(dataDir, { recursive: true });
});

test('what is no whole snapshot is refused, and leaves nothing behind', async () => {
  const directory = join(dataDir, 'version-2');
  const rules = { extendedTypesEnabled: false, emulate353TtlNodes: false };
  const receive = (bytes: () => AsyncGenerator<Uint8Array>) =>
    StagedSnapshot.receive(directory, disk, 1 << 20, rules, bytes());
  await expect(
    receive(async function* () {
      yield new Uint8Array(100);
    }),
  ).rejects.toThrow();
  await expect(
    receive(async function* () {
      yield new Uint8Array(100);
      throw new Error('the client has gone');
    }),
  ).rejects.toThrow('the client has gone');
  expect(readdirSync(directory)).toEqual([]);
});
