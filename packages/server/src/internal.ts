/** For the sibling packages: the parts of a server, to be put together in another world than the real one. */
export { AssertionFailure, assert } from './assert.ts';
export { AccessControl } from './auth/acl.ts';
export { Credentials } from './auth/credentials.ts';
export { AUTH_DEFAULTS, type AuthOptions } from './auth/options.ts';
export { AuthRegistry } from './auth/registry.ts';
export { DigestMd5Server } from './auth/sasl-digest-md5.ts';
export { DigestMd5Client, QUORUM_REALM, QUORUM_SERVICE } from './auth/sasl-digest-md5-client.ts';
export { NodePeers, type NodePeersOptions } from './host/node-peers.ts';
export { SeededRandom } from './host/node-random.ts';
export type { PeerSecurity } from './host/peer-sockets.ts';
export type { Clock } from './io/clock.ts';
export type { Connection } from './io/connection.ts';
export type { Area, Disk, DiskCompletion, DiskError, DiskStep, FileEntry } from './io/disk.ts';
export type { Input } from './io/input.ts';
export type { Log } from './io/log.ts';
export type { Link, LinkPort, PeerAddresses, PeerInput, Peers } from './io/peers.ts';
export type { Random } from './io/random.ts';
export { StorageError } from './io/storage-error.ts';
export { createMetrics, type Metrics } from './metrics/registry.ts';
export type { ReplicaOptions } from './replica/options.ts';
export { Replica } from './replica/replica.ts';
export { type StorageOptions, storageDefaults } from './storage/options.ts';
export { DataTree, type NodeId } from './tree/data-tree.ts';
export { Configuration } from './zab/configuration.ts';
export { Election } from './zab/election.ts';
export type {
  Database,
  Entry,
  EpochName,
  LogWalk,
  Service,
  SnapshotIncoming,
  SnapshotOutgoing,
} from './zab/environment.ts';
export { ZAB_DEFAULTS, type ZabOptions } from './zab/options.ts';
export { Peer } from './zab/peer.ts';
export { NO_TALLIES } from './zab/tallies.ts';
export { encodeNotification } from './zab/vote.ts';
