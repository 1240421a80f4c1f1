/** Every limit and default of the client, with its unit. `ConnectOptions` names those that a program may change. */
export const limits = {
  /** What is asked for; the server has its own bounds and decides. */
  sessionTimeoutMs: 30_000,
  /** Deadline of `connect()`. */
  connectTimeoutMs: 15_000,
  /** Deadline of one call, its repetitions included. */
  requestTimeoutMs: 30_000,
  /** How long `close()` waits for the server's goodbye. */
  closeTimeoutMs: 2_000,
  /** Requests sent and not answered yet: as many as a server takes from everybody before it stops reading. */
  inFlightMax: 1_000,
  /** Requests that wait: for a connection, or for room among those in flight. */
  queuedMax: 100_000,
  /** Of a request's frame: what a server takes by default. A longer one would cost the connection. */
  requestBytesMax: 0xfffff,
  /** Of a reply's frame: servers have no limit of their own. */
  replyBytesMax: 64 * 1024 * 1024,
  /** Events that a watch keeps for a reader who is slow; beyond it they are given up for one `gap`. */
  watchEventsMax: 10_000,
  /** State changes kept for a slow reader; beyond it the oldest is given up. */
  statesMax: 1_000,
  /** Paths in one setWatches, bytes: far below what a server takes as a frame. Halved where it seems too much... */
  setWatchesBytesMax: 32 * 1024,
  /** ...but not below this. */
  setWatchesBytesMin: 1024,
  /** One attempt to reach one server takes at least so long before it is given up. */
  attemptTimeoutMinMs: 500,
  /** Pause after a round of all servers without success: doubles from the one to the other, a random part of it off. */
  roundPauseMinMs: 50,
  roundPauseMaxMs: 1_000,
  /** A connection that serves for less is no success: two clients that fight for a session would go on for ever. */
  connectionLastsMs: 100,
  /** Pauses between looks for a read-write server while connected to a read-only one. */
  readWriteSearchMinMs: 100,
  readWriteSearchMaxMs: 60_000,
  /** SRV records are asked for again so often. */
  srvRefreshMs: 60_000,
  /** A question of four letters is given up after this. */
  probeTimeoutMs: 1_000,
  /** Pings are at most so far apart, however long the session's timeout. */
  pingIntervalMaxMs: 10_000,
  /** Repetitions of a call. */
  retryAttemptsMax: 10,
  retryDelayMinMs: 20,
  retryDelayMaxMs: 1_000,
  /** Requests at a time of calls that go over a whole subtree. */
  subtreeWindow: 500,
  /** Bounds of a cache, which its options may change; and its requests at a time. */
  cacheNodesMax: 100_000,
  cacheBytesMax: 256 * 1024 * 1024,
  cacheReadsMax: 500,
  /** How often create makes missing parents, which somebody else may remove at once. */
  createParentsAttemptsMax: 5,
  /** The least capacity of a batch of requests on its way into a socket. */
  batchBytesMin: 1_024,
} as const;
