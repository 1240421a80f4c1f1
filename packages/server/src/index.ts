/** @treekeeper/server: a server as an object of the program that embeds it. */
export type { ServerMode } from './admin/view.ts';
export { type HostClock, NodeClock } from './host/node-clock.ts';
export type { Log } from './io/log.ts';
export { StorageError } from './io/storage-error.ts';
export { type OnFailure, Server } from './server.ts';
