/** What the simulator, the command and our own tests use; no promise to anybody else. */
export { type ConnectTarget, parseConnectString } from './connect-string.ts';
export { askServer } from './four-letter.ts';
export { limits } from './limits.ts';
export { type Operation, operations } from './operations.ts';
export { authOperation, internalRequest } from './session/internal-requests.ts';
export { Session } from './session/session.ts';
export type {
  HostPort,
  RequestFailure,
  SessionConfig,
  SessionOutput,
  SessionRequest,
  Watcher,
  WatchRegistration,
  WatchTableName,
  WireOperation,
} from './session/types.ts';
export { srvServers } from './srv-servers.ts';
