/**
 * What the replica tells the metrics. Instruments are looked up once, here: recording one is a few additions. The clock
 * stands still within a turn, so what ZooKeeper measures inside one (preparing, applying) is not measured.
 */
import { ErrorNumber, OpCode } from '@treekeeper/protocol';
import type { Random } from '../io/random.ts';
import type { Counter, PercentileSummary, SummarySet } from '../metrics/primitives.ts';
import { type Metrics, OperationCounters } from '../metrics/registry.ts';
import type { Statistics } from '../metrics/statistics.ts';
import type { Change } from '../tree/data-tree.ts';
import type { ReplicaOptions } from './options.ts';
import { PathStatistics } from './path-statistics.ts';
import type { PendingTallies } from './pending-changes.ts';

/** What ZooKeeper adds to path and data for a node's stat when it counts bytes per namespace. */
const STAT_BYTES = 68;
const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

/** What the instruments need to know of the replica's options. */
type InstrumentOptions = Pick<ReplicaOptions, 'namespaceMetrics' | 'pathStatistics' | 'storage'>;

export class Instruments {
  readonly metrics: Metrics;
  readonly statistics: Statistics;
  readonly operations: OperationCounters;
  /** Of changes that are prepared and not applied. */
  readonly changes: PendingTallies;
  readonly bytesReceived: Counter;
  readonly watchBytes: Counter;
  readonly #responseBytes: Counter;
  readonly #readLatency: PercentileSummary;
  readonly #updateLatency: PercentileSummary;
  readonly #localWriteCommitted: PercentileSummary;
  readonly #propagation: PercentileSummary;
  readonly #quorumAck: PercentileSummary;
  readonly #logTotal: PercentileSummary;
  readonly #logFlush: PercentileSummary;
  readonly #logWait: PercentileSummary;
  readonly #writeWait: PercentileSummary;
  readonly #readWait: PercentileSummary;
  readonly #queued: PercentileSummary;
  readonly #letThrough: PercentileSummary;
  readonly #proposals: Counter;
  readonly #prepared: Counter;
  readonly #logged: Counter;
  readonly #commits: Counter;
  readonly #proposalsReceived: Counter;
  readonly #commitsReceived: Counter;
  readonly #proposalLatency: PercentileSummary;
  readonly #commitPropagation: PercentileSummary;
  /** From the proposal on the leader to the acknowledgement made here. */
  readonly ackCreation: PercentileSummary;
  readonly #watchCounts: { readonly [K in Change['kind']]: PercentileSummary };
  readonly #readNamespaces: SummarySet | null;
  readonly #writeNamespaces: SummarySet | null;
  readonly #slowSyncMs: number;
  /** Null: pathStats.enabled is not set. */
  readonly #paths: PathStatistics | null;
  /** Of the batch that made the transactions durable that are applied now. */
  #lastSyncMs = 0;

  constructor(options: InstrumentOptions, metrics: Metrics, statistics: Statistics, random: Random, nowMs: number) {
    const { pathStatistics } = options;
    this.metrics = metrics;
    this.statistics = statistics;
    this.operations = new OperationCounters(metrics);
    this.changes = { queued: metrics.outstanding_changes_queued, removed: metrics.outstanding_changes_removed };
    this.bytesReceived = metrics.bytes_received_count;
    this.watchBytes = metrics.watch_bytes;
    this.#responseBytes = metrics.response_bytes;
    this.#readLatency = metrics.readlatency;
    this.#updateLatency = metrics.updatelatency;
    this.#localWriteCommitted = metrics.local_write_committed_time_ms;
    this.#propagation = metrics.propagation_latency;
    this.#quorumAck = metrics.quorum_ack_latency;
    this.#logTotal = metrics.sync_processor_queue_and_flush_time_ms;
    this.#logFlush = metrics.sync_processor_queue_flush_time_ms;
    this.#logWait = metrics.sync_processor_queue_time_ms;
    this.#writeWait = metrics.write_commitproc_time_ms;
    this.#readWait = metrics.read_commitproc_time_ms;
    this.#queued = metrics.requests_in_session_queue;
    this.#letThrough = metrics.reads_issued_from_session_queue;
    this.#proposals = metrics.proposal_count;
    this.#prepared = metrics.prep_processor_request_queued;
    this.#logged = metrics.sync_processor_request_queued;
    this.#commits = metrics.commit_count;
    this.#proposalsReceived = metrics.learner_proposal_received_count;
    this.#commitsReceived = metrics.learner_commit_received_count;
    this.#proposalLatency = metrics.proposal_latency;
    this.#commitPropagation = metrics.commit_propagation_latency;
    this.ackCreation = metrics.proposal_ack_creation_latency;
    this.#watchCounts = {
      created: metrics.node_created_watch_count,
      deleted: metrics.node_deleted_watch_count,
      dataChanged: metrics.node_changed_watch_count,
    };
    this.#readNamespaces = options.namespaceMetrics ? metrics.read_per_namespace : null;
    this.#writeNamespaces = options.namespaceMetrics ? metrics.write_per_namespace : null;
    this.#slowSyncMs = options.storage.fsyncWarningThresholdMs;
    this.#paths = pathStatistics === null ? null : new PathStatistics(pathStatistics, random, nowMs);
  }

  /** What the operator is to be told, now and then. */
  tick(nowMs: number): string | null {
    return this.#paths === null ? null : this.#paths.tick(nowMs);
  }

  /** A container or TTL node is to be removed. */
  reaped(isTtl: boolean): void {
    this.operations.record(OpCode.deleteContainer);
    if (isTtl) {
      this.metrics.ttl_node_deleted_count.add(1);
    }
  }

  /** A connection was accepted. */
  connected(remoteAddress: string, hasCertificate: boolean): void {
    if (!hasCertificate) {
      if (LOOPBACK.test(remoteAddress)) {
        this.statistics.nonMtlsLocalConnCount++;
      } else {
        this.statistics.nonMtlsRemoteConnCount++;
      }
    }
  }

  /** A transaction was prepared, numbered and handed to the log. */
  proposed(): void {
    this.#prepared.value++;
    this.#proposals.value++;
    this.#logged.value++;
  }

  /** A transaction of the leader's was handed to the log. */
  logged(): void {
    this.#logged.value++;
  }

  /** A proposal has come from the leader, this long after the time it bears; clocks may differ. */
  proposalReceived(latencyMs: number): void {
    this.#proposalsReceived.value++;
    this.#proposalLatency.add(Math.max(0, latencyMs));
  }

  /** The leader has told of a commit. */
  commitReceived(): void {
    this.#commitsReceived.value++;
  }

  /** What the leader has committed is applied here, in the turn in which it came. */
  commitPropagated(latencyMs: number): void {
    this.#commitPropagation.add(Math.max(0, latencyMs));
  }

  /** A batch of the log is durable; `waitingTxns` are left for the next one. */
  synced(txns: number, durationMs: number, waitingTxns: number): void {
    const { metrics } = this;
    const wholeMs = Math.round(durationMs); // readers of mntr take these values for integers, as ZooKeeper's are
    metrics.fsynctime.add(wholeMs);
    metrics.sync_process_time.add(wholeMs);
    metrics.sync_processor_batch_size.add(txns);
    metrics.sync_processor_queue_size.add(waitingTxns);
    this.#lastSyncMs = wholeMs;
    if (durationMs > this.#slowSyncMs) {
      this.statistics.fsyncThresholdExceedCount++;
    }
  }

  /** A transaction was applied, this long after it was proposed (`ageMs`), and after the time it bears. */
  committed(ageMs: number, propagationMs: number): void {
    this.#commits.value++;
    this.#propagation.add(propagationMs);
    this.#quorumAck.add(ageMs);
    this.#writeWait.add(ageMs);
    this.#logTotal.add(ageMs);
    this.#logFlush.add(this.#lastSyncMs);
    this.#logWait.add(Math.max(0, ageMs - this.#lastSyncMs));
  }

  /** A write of a session was answered: what had queued up behind it, and how many of those were answered as well. */
  drained(queued: number, answered: number): void {
    this.#queued.add(queued);
    this.#letThrough.add(answered);
  }

  /** A read had to wait for its session's earlier writes. */
  readWaited(waitedMs: number): void {
    this.#readWait.add(waitedMs);
  }

  /** A reply was put into an output: `bodyBytes` of it after the header. */
  replied(frameBytes: number, bodyBytes: number): void {
    this.#responseBytes.value += frameBytes;
    if (bodyBytes > 0) {
      this.statistics.recordResponse(bodyBytes);
    }
  }

  read(latencyMs: number, request: unknown, bodyBytes: number): void {
    this.#readLatency.add(latencyMs);
    if (this.#readNamespaces !== null || this.#paths !== null) {
      const { path } = request as { readonly path?: unknown };
      if (typeof path === 'string') {
        this.#readNamespaces?.addPath(path, path.length + bodyBytes);
        this.#paths?.record('reads', path);
      }
    }
  }

  /** A client's write was applied, or refused with `err`. */
  written(opcode: number, err: number, latencyMs: number, request: unknown): void {
    this.#updateLatency.add(latencyMs);
    this.#localWriteCommitted.add(latencyMs);
    if (err === 0) {
      if (opcode === OpCode.createTTL) {
        this.metrics.ttl_node_created_count.add(1);
      }
      if (this.#writeNamespaces !== null || this.#paths !== null) {
        const { path, data } = request as { readonly path?: unknown; readonly data?: Uint8Array | null };
        if (typeof path === 'string') {
          this.#writeNamespaces?.addPath(path, path.length + (data?.length ?? 0) + STAT_BYTES);
          this.#paths?.record('writes', path);
        }
      }
    } else if (err === ErrorNumber.QUOTA_EXCEEDED) {
      const { path } = request as { readonly path?: unknown };
      if (typeof path === 'string') {
        this.metrics.quota_exceeded_error_per_namespace.add(path.split('/', 2)[1] ?? '', 1);
      }
    }
  }

  /** A change was told to watchers: so many events of the node itself, and of its parent's children. */
  fired(kind: Change['kind'], nodeEvents: number, childEvents: number): void {
    this.#watchCounts[kind].add(nodeEvents);
    if (kind !== 'dataChanged') {
      this.metrics.node_children_watch_count.add(childEvents);
    }
  }
}
