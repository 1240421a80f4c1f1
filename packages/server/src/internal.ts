/** For the sibling packages: the parts of a server, to be put together in another world than the real one. */
export { AssertionFailure, assert } from './assert.ts';
export { AccessControl } from './auth/acl.ts';
export { Credentials } from './auth/credentials.ts';
export { AUTH_DEFAULTS, type AuthOptions } from './auth/options.ts';
export { AuthRegistry } from './auth/registry.ts';
export { SeededRandom } from './host/node-random.ts';
export type { Clock } from './io/clock.ts';
export type { Connection } from './io/connection.ts';
export type { Area, Disk, DiskCompletion, DiskError, DiskStep, FileEntry } from './io/disk.ts';
export type { Input } from './io/input.ts';
export type { Log } from './io/log.ts';
export type { Random } from './io/random.ts';
export { StorageError } from './io/storage-error.ts';
export { createMetrics, type Metrics } from './metrics/registry.ts';
export type { ReplicaOptions } from './replica/options.ts';
export { Replica } from './replica/replica.ts';
export { type StorageOptions, storageDefaults } from './storage/options.ts';
export { DataTree, type NodeId } from './tree/data-tree.ts';
