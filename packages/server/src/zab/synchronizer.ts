/** Gives learners the leader's history (quorum-protocol.md §5.5): the decision of synchronize.ts, carried out. */
import type { CommittedLog } from './committed-log.ts';
import type { Environment, LogWalk } from './environment.ts';
import type { LearnerLink } from './learner-link.ts';
import type { ZabOptions } from './options.ts';
import { GapError, type SyncKind, synchronize } from './synchronize.ts';

export class Synchronizer {
  readonly #options: ZabOptions;
  readonly #environment: Environment;
  readonly #committedLog: CommittedLog;
  readonly #links: ReadonlySet<LearnerLink>;
  /** These were promised what the log on disk could not give. */
  readonly #snapshotOnly = new Set<number>();

  constructor(
    options: ZabOptions,
    environment: Environment,
    committedLog: CommittedLog,
    links: ReadonlySet<LearnerLink>,
  ) {
    this.#links = links;
    this.#options = options;
    this.#environment = environment;
    this.#committedLog = committedLog;
  }

  /**
   * From here on the learner gets everything that is committed later behind the history that it misses. False: it is an
   * observer, and so many are at it that this one has to come again.
   */
  begin(learner: LearnerLink): boolean {
    const window = this.#committedLog;
    const decision = this.#snapshotOnly.delete(learner.serverId)
      ? ({ kind: 'snapshot' } as const)
      : synchronize(learner.lastZxid, window, () => this.#readLog(learner.lastZxid));
    if (learner.isObserver && this.#isBusy(decision.kind)) {
      this.#environment.log.info(`observer ${learner.serverId} has to come again: others are being brought up to date`);
      learner.link.close();
      return false;
    }
    learner.stage = 'syncing';
    learner.syncedWith = decision.kind;
    learner.syncedZxid = window.last;
    this.#environment.tallies.bringsUpToDate(decision.kind, this.#underWay(decision.kind));
    if (decision.kind === 'snapshot') {
      const snapshot = this.#environment.database.beginOutgoing();
      learner.beginSnapshot(snapshot, window.after(snapshot.zxid));
    } else {
      learner.beginDifference(decision, window.last);
    }
    return true;
  }

  #isBusy(kind: SyncKind): boolean {
    const { concurrentSnapSyncsMax, concurrentDiffSyncsMax } = this.#options;
    return this.#underWay(kind) >= (kind === 'snapshot' ? concurrentSnapSyncsMax : concurrentDiffSyncsMax);
  }

  #underWay(kind: SyncKind): number {
    return [...this.#links].filter(({ stage, syncedWith }) => stage === 'syncing' && syncedWith === kind).length;
  }

  #readLog(zxid: number): LogWalk | null {
    const { snapshotSizeFactor } = this.#options;
    const { database } = this.#environment;
    if (snapshotSizeFactor < 0) {
      return null;
    }
    const isLimited = snapshotSizeFactor > 0;
    return database.readLog(
      zxid,
      isLimited ? snapshotSizeFactor * database.snapshotSizeBytes : Number.POSITIVE_INFINITY,
    );
  }

  /**
   * Moves a snapshot or a piece of the log on. True when more could go out at once; null when the learner has to come
   * again, and will get a snapshot.
   */
  transfer(learner: LearnerLink, nowMs: number): boolean | null {
    if (!learner.isTransferring) {
      return false;
    }
    const { linkUnsentBytesPause, initLimitTicks, tickTimeMs } = this.#options;
    if (learner.link.unsentBytes < linkUnsentBytesPause) {
      learner.deadlineMs = nowMs + initLimitTicks * tickTimeMs; // it takes what it is given, and cannot say anything
    }
    try {
      return learner.transfer(this.#options);
    } catch (error) {
      if (!(error instanceof GapError)) {
        throw error;
      }
      this.#snapshotOnly.add(learner.serverId);
      this.#environment.log.warn(
        `server ${learner.serverId} cannot be brought up to date without a snapshot: ${error.message}`,
      );
      return null;
    }
  }
}
