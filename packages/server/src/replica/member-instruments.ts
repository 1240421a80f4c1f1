/**
 * What a member of an ensemble tells the metrics: of elections, of the time without service, of learners. Times are
 * those of the turns in which things happen.
 */
import type { Clock } from '../io/clock.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { PeerStateName } from '../zab/peer.ts';
import type { SyncKind } from '../zab/synchronize.ts';
import type { Tallies } from '../zab/tallies.ts';
import type { ProposalSizes } from './member-report.ts';
import { ProposalTimes } from './proposal-times.ts';

export class MemberInstruments implements Tallies {
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  #proposals = new ProposalTimes();
  #sizes: { lastBytes: number; minBytes: number; maxBytes: number } = { lastBytes: -1, minBytes: -1, maxBytes: -1 };
  /** Null: it is not looking for a leader. */
  #lookingSinceMs: number | null = null;
  #syncingSinceMs = 0;
  /** Null: it serves. */
  #unavailableSinceMs: number | null = null;

  constructor(metrics: Metrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  get sizes(): ProposalSizes {
    return { ...this.#sizes };
  }

  // The member

  /** It serves nobody: from its start, and from the end of a role. */
  unavailable(): void {
    this.#unavailableSinceMs ??= this.#clock.nowMs;
    this.#proposals = new ProposalTimes(); // what another epoch acknowledges says nothing of these
  }

  /** It leads, or is in step with its leader. */
  serves(state: PeerStateName): void {
    const { nowMs } = this.#clock;
    const metrics = this.#metrics;
    const unavailableMs = nowMs - (this.#unavailableSinceMs ?? nowMs);
    this.#unavailableSinceMs = null;
    metrics.unavailable_time.add(unavailableMs);
    if (state === 'leading') {
      metrics.leader_unavailable_time.add(unavailableMs);
    } else {
      const synced = state === 'observing' ? metrics.observer_sync_time : metrics.follower_sync_time;
      synced.add(nowMs - this.#syncingSinceMs);
    }
  }

  /** The leader proposes a transaction of so many bytes. */
  proposed(zxid: number, sizeBytes: number): void {
    const sizes = this.#sizes;
    sizes.lastBytes = sizeBytes;
    sizes.minBytes = sizes.minBytes < 0 ? sizeBytes : Math.min(sizes.minBytes, sizeBytes);
    sizes.maxBytes = Math.max(sizes.maxBytes, sizeBytes);
    this.#proposals.note(zxid, this.#clock.nowMs);
  }

  // Zab

  looking(): void {
    if (this.#lookingSinceMs === null) {
      this.#lookingSinceMs = this.#clock.nowMs;
      this.#metrics.looking_count.add(1);
    }
  }

  elected(): void {
    if (this.#lookingSinceMs !== null) {
      this.#metrics.election_time.add(this.#clock.nowMs - this.#lookingSinceMs);
      this.#lookingSinceMs = null;
    }
  }

  deserted(): void {
    this.#metrics.quit_leading_due_to_disloyal_voter.add(1);
  }

  epochAccepted(): void {
    this.#syncingSinceMs = this.#clock.nowMs;
  }

  bringsUpToDate(kind: SyncKind, underWay: number): void {
    const metrics = this.#metrics;
    if (kind === 'snapshot') {
      metrics.snap_count.add(1);
      metrics.inflight_snap_count.add(underWay);
    } else {
      metrics.diff_count.add(1);
      metrics.inflight_diff_count.add(underWay);
    }
  }

  askedAboutSession(): void {
    this.#metrics.revalidate_count.add(1);
  }

  acknowledged(serverId: number, after: number, through: number): void {
    const latency = this.#metrics.ack_latency.get(String(serverId));
    if (latency !== undefined) {
      this.#proposals.addAges(after, through, this.#clock.nowMs, latency);
    }
  }
}
