/** What the role machines are told at their start. */
export interface ZabOptions {
  readonly serverId: number;
  readonly tickTimeMs: number;
  /** For a learner to connect, for discovery and for synchronisation, each. */
  readonly initLimitTicks: number;
  /** How long a link may be silent, and a proposal unacknowledged. */
  readonly syncLimitTicks: number;
  /** For a learner to connect; 0: initLimitTicks. */
  readonly connectLimitTicks: number;
  /** The longest pause between two tries to reach the leader. */
  readonly leaderConnectDelayMs: number;
  /** Pauses between notifications of an election; each is twice as long as the one before. */
  readonly notificationIntervalMsMin: number;
  readonly notificationIntervalMsMax: number;
  /** A leader that a voter has left before the epoch began waits no longer than this for a quorum; below 0: as ever. */
  readonly epochWaitMsMax: number;
  /** Observers that may be given a snapshot at the same time, or the transactions they miss. Voters are not held up. */
  readonly concurrentSnapSyncsMax: number;
  readonly concurrentDiffSyncsMax: number;
  /** Of the window of committed transactions (commitLogCount). */
  readonly committedLogEntriesMax: number;
  readonly committedLogSizeBytesMax: number;
  /** How large a difference may be read from the log on disk, against the newest snapshot; 0: any; below 0: none. */
  readonly snapshotSizeFactor: number;
  /** False: configurations that other servers tell are ignored, and no version is kept (§1.3). */
  readonly reconfigEnabled: boolean;
  /** The longest field of a packet (jute.maxbuffer + extrasize). */
  readonly fieldBytesMax: number;
  /** What may be waiting for the network before a snapshot (or a walk through the log) pauses. */
  readonly linkUnsentBytesPause: number;
  /** What may be waiting for the network: beyond it the link is closed, and the learner catches up from where it is. */
  readonly linkUnsentBytesMax: number;
  /**
   * What may be written while a learner is given a snapshot, or a piece of the log, and be sent behind it: with more
   * the link is closed, and the learner begins anew. In memory, for each learner besides what the network holds.
   */
  readonly learnerBacklogBytesMax: number;
  /** How much of a snapshot, or of the log, is sent to one learner in one turn; more while others write much. */
  readonly transferBytesPerTurn: number;
  /** An observer waits up to so long before it looks for a leader again (observer.election.DelayMs). */
  readonly observerElectionDelayMs: number;
  /** Followers feed observers, and observers look for such followers (observerMasterPort). */
  readonly hasObserverMasters: boolean;
  /** An observer that has lost its master, or found none, waits up to so much longer (observer.reconnectDelayMs). */
  readonly observerReconnectDelayMs: number;
  /** False: an observer keeps what it is told in memory only (syncEnabled). */
  readonly observerLogs: boolean;
}

export const ZAB_DEFAULTS = {
  initLimitTicks: 10,
  syncLimitTicks: 5,
  connectLimitTicks: 0,
  leaderConnectDelayMs: 100,
  notificationIntervalMsMin: 200,
  notificationIntervalMsMax: 60_000,
  epochWaitMsMax: -1,
  concurrentSnapSyncsMax: 10,
  concurrentDiffSyncsMax: 100,
  committedLogEntriesMax: 500,
  committedLogSizeBytesMax: 64 * 1024 * 1024,
  snapshotSizeFactor: 0.33,
  reconfigEnabled: false,
  fieldBytesMax: 2 * 0xfffff,
  linkUnsentBytesPause: 1024 * 1024,
  linkUnsentBytesMax: 128 * 1024 * 1024,
  learnerBacklogBytesMax: 1024 * 1024 * 1024,
  transferBytesPerTurn: 256 * 1024,
  observerElectionDelayMs: 200,
  hasObserverMasters: false,
  observerReconnectDelayMs: 0,
  observerLogs: true,
} as const satisfies Omit<ZabOptions, 'serverId' | 'tickTimeMs'>;
