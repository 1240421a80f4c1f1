/** Events worth counting that are no part of ZooKeeper's server statistics; admin/ shows them as metrics. */
export class ReplicaCounters {
  sessionsExpired = 0;
  digestMismatches = 0;
  largeRequestsRejected = 0;
  /** Sockets refused by a connection limit, and handshakes by the connection throttle. */
  connectionsRejected = 0;
  authFailures = 0;
  snapshotsWritten = 0;
}
