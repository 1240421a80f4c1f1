/** What a snapshot shows of a tree that changes while it is written (disk-format.md §3.6). */
import { expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { ReplicaSnapshotSource } from '../../src/replica/snapshot-source.ts';
import { readSnapshot } from '../../src/storage/snapshot-reader.ts';
import { RecordingSink, testOptions } from '../storage/support.ts';
import { writeSnapshot } from '../storage/writers.ts';
import { create, setACL } from './requests.ts';
import { digestAcl, TestServer, worldAcl } from './support.ts';

test('an ACL that is set meanwhile shows as it was: a backup has no log that would put a stand-in right', () => {
  const server = new TestServer();
  const client = server.client();
  const before = [digestAcl('u:before'), worldAcl(31)];
  client.get(create('/secret', { acl: before }));
  const disk = new SimulatedDisk();
  const source = new ReplicaSnapshotSource(server.replica.world, true);
  client.get(setACL('/secret', [digestAcl('u:after')]));
  const name = writeSnapshot(disk, testOptions(), source);
  const sink = new RecordingSink();
  readSnapshot(disk, name, testOptions().fieldBytesMax, sink);
  const secret = sink.nodes.get('/secret');
  expect(secret).toBeDefined();
  expect(sink.acls.get(secret?.aclId ?? 0n)).toEqual(before);
});
