/**
 * ZooKeeper's metrics that are recorded as things happen: name, type, what it means. Gauges, which are read from the
 * server when asked, are in gauges.ts. Times are milliseconds. Every name is exported, so that dashboards and alert
 * rules find what they know; those of `idleMetrics`, at the end, stay at 0 for the reason given there.
 */
export type MetricType =
  | 'counter'
  | 'counterSet'
  | 'summary'
  | 'percentileSummary'
  | 'summarySet'
  | 'percentileSummarySet';

export interface MetricRow<T extends MetricType = MetricType> {
  readonly type: T;
  readonly meaning: string;
}

function row<T extends MetricType>(type: T): (meaning: string) => MetricRow<T> {
  return (meaning) => ({ type, meaning });
}

const counter = row('counter');
const counterSet = row('counterSet');
const summary = row('summary');
const percentiles = row('percentileSummary');
const summarySet = row('summarySet');
const percentileSet = row('percentileSummarySet');

export const metricTable = {
  // Operations
  op_count_total: counter('requests of all operations'),
  op_count_add_watch: counter('addWatch requests'),
  op_count_check: counter('check requests'),
  op_count_check_watches: counter('checkWatches requests'),
  op_count_close_session: counter('closeSession requests, expiries among them'),
  op_count_create: counter('create requests of all kinds'),
  op_count_create_session: counter('createSession requests'),
  op_count_delete: counter('delete requests, of containers too'),
  op_count_exists: counter('exists requests'),
  op_count_get_acl: counter('getACL requests'),
  op_count_get_all_children_number: counter('getAllChildrenNumber requests'),
  op_count_get_children: counter('getChildren and getChildren2 requests'),
  op_count_get_data: counter('getData requests'),
  op_count_get_ephemerals: counter('getEphemerals requests'),
  op_count_multi: counter('multi requests'),
  op_count_multi_read: counter('multiRead requests'),
  op_count_ping: counter('pings'),
  op_count_reconfig: counter('reconfig requests'),
  op_count_remove_watches: counter('removeWatches requests'),
  op_count_set_acl: counter('setACL requests'),
  op_count_set_data: counter('setData requests'),
  op_count_set_watches: counter('setWatches and setWatches2 requests'),
  op_count_sync: counter('sync requests'),
  op_count_who_am_i: counter('whoAmI requests'),
  proposal_count: counter('transactions proposed by this leader'),
  commit_count: counter('transactions committed by this leader'),

  // Latency
  readlatency: percentiles('from taking a read in to answering it'),
  updatelatency: percentiles('from taking a write in to answering it'),
  propagation_latency: percentiles('from the moment a transaction was made to its being applied here'),
  commit_propagation_latency: percentiles('from the commit on the leader to the commit here'),
  proposal_latency: percentiles('from the proposal on the leader to its arrival here'),
  proposal_ack_creation_latency: percentiles('from the proposal on the leader to the acknowledgement made here'),
  quorum_ack_latency: percentiles('from the proposal to the acknowledgement that completed the quorum'),
  ack_latency: percentileSet('from the proposal to the acknowledgement of each server'),
  read_per_namespace: summarySet('bytes of the reads below each top-level node'),
  write_per_namespace: summarySet('bytes of the writes below each top-level node'),

  // Preparing writes
  outstanding_changes_queued: counter('changes noted as prepared and not yet applied'),
  outstanding_changes_removed: counter('prepared changes that have been applied or given up'),
  prep_processor_request_queued: counter('requests handed to preparation'),
  prep_process_time: summary('time to prepare a request'),
  prep_processor_queue_size: summary('requests waiting for preparation'),
  proposal_process_time: summary('time to propose a prepared request'),
  close_session_prep_time: percentiles('time to prepare the end of a session'),
  prep_processor_queue_time_ms: percentiles('time requests wait for preparation'),

  // The log
  sync_processor_request_queued: counter('transactions handed to the log'),
  fsynctime: summary('time of one sync of the log'),
  sync_process_time: summary('time to write and sync one batch'),
  sync_processor_batch_size: summary('transactions made durable by one sync'),
  sync_processor_queue_size: summary('transactions waiting for the log'),
  sync_processor_queue_and_flush_time_ms: percentiles('from handing a transaction to the log to its being durable'),
  sync_processor_queue_flush_time_ms: percentiles('from writing a transaction to its being durable'),
  sync_processor_queue_time_ms: percentiles('time transactions wait before they are written'),

  // Commit and answer
  request_commit_queued: counter('commits handed to the commit stage'),
  requests_not_forwarded_to_commit_processor: counter('requests dropped before the commit stage'),
  commit_commit_proc_req_queued: summary('commits waiting in the commit stage'),
  commit_process_time: summary('time to apply a commit'),
  concurrent_request_processing_in_commit_processor: summary('requests under way in the commit stage'),
  pending_session_queue_size: summary('sessions with requests waiting for a commit'),
  read_commit_proc_issued: summary('reads let through at once by the commit stage'),
  read_commit_proc_req_queued: summary('reads waiting in the commit stage'),
  reads_after_write_in_session_queue: summary('reads waiting behind a write of their session'),
  reads_issued_from_session_queue: summary('reads of one session let through at once'),
  requests_in_session_queue: summary('requests of one session waiting'),
  session_queues_drained: summary('sessions let through at once'),
  time_waiting_empty_pool_in_commit_processor_read_ms: summary('time writes wait for reads under way'),
  write_batch_time_in_commit_processor: summary('time of a batch of writes in the commit stage'),
  write_commit_proc_issued: summary('writes let through at once by the commit stage'),
  write_commit_proc_req_queued: summary('writes waiting in the commit stage'),
  local_write_committed_time_ms: percentiles('from taking a write of an own client in to its commit'),
  server_write_committed_time_ms: percentiles('from the arrival of a commit to its turn'),
  read_commitproc_time_ms: percentiles('time reads spend in the commit stage'),
  write_commitproc_time_ms: percentiles('time writes spend in the commit stage'),
  read_final_proc_time_ms: percentiles('time reads spend being answered'),
  write_final_proc_time_ms: percentiles('time writes spend being applied and answered'),

  // Snapshots, start, restore
  snapshottime: summary('time to write a snapshot'),
  snapshot_error_count: counter('snapshot commands that failed'),
  snapshot_rate_limited_count: counter('snapshot commands refused because they came too soon'),
  dbinittime: summary('time to load the tree at the start'),
  startup_snap_load_time: summary('time to load the snapshot at the start'),
  startup_txns_load_time: summary('time to replay the log at the start'),
  startup_txns_loaded: summary('transactions replayed at the start'),
  restore_time: summary('time of a restore command'),
  restore_error_count: counter('restore commands that failed'),
  restore_rate_limited_count: counter('restore commands refused because they came too soon'),

  // Election and quorum
  looking_count: counter('times this server went looking for a leader'),
  diff_count: counter('learners brought up to date by a diff'),
  snap_count: counter('learners brought up to date by a snapshot'),
  digest_mismatches_count: counter('transactions after which the tree did not have the expected digest'),
  data_damaged_count: counter('times damaged files were found, with which this server does not vote'),
  data_healed_count: counter('times damaged or wrong data were replaced by those of the leader'),
  quit_leading_due_to_disloyal_voter: counter('elections won in vain: voters left before they had accepted the epoch'),
  unrecoverable_error_count: counter('errors that stopped the server'),
  election_time: summary('time of an election'),
  follower_sync_time: summary('time to synchronise with the leader as a follower'),
  observer_sync_time: summary('time to synchronise with the leader as an observer'),
  inflight_diff_count: summary('diff synchronisations under way'),
  inflight_snap_count: summary('snapshot synchronisations under way'),
  leader_unavailable_time: summary('time without service when this server became the leader'),
  unavailable_time: summary('time without service'),
  socket_closing_time: summary('time to close the connection to the leader'),
  jvm_pause_time_ms: percentiles('pauses of the event loop beyond the expected'),

  // Learners
  learner_commit_received_count: counter('commits received from the leader'),
  learner_proposal_received_count: counter('proposals received from the leader'),
  skip_learner_request_to_next_processor_count: counter('requests of learners not passed on'),
  learner_request_processor_queue_size: summary('requests of learners waiting'),
  om_commit_process_time_ms: percentiles('time an observer master takes for a commit'),
  om_proposal_process_time_ms: percentiles('time an observer master takes for a proposal'),
  learner_handler_qp_size: summarySet('packets waiting to be sent to each learner'),
  learner_handler_qp_time_ms: percentileSet('time packets wait to be sent to each learner'),

  // Connections and sessions
  bytes_received_count: counter('bytes received from clients'),
  connection_request_count: counter('handshakes asked for'),
  connection_rejected: counter('connections refused by a limit on their number'),
  connection_drop_count: counter('connections closed by the server or lost'),
  connection_revalidate_count: counter('handshakes of clients that want to go on with a session'),
  revalidate_count: counter('sessions that learners have asked this server about'),
  sessionless_connections_expired: counter('connections closed because no handshake came'),
  stale_sessions_expired: counter('sessions expired'),
  unsuccessful_handshake: counter('TLS handshakes that failed'),
  tls_handshake_exceeded: counter('connections closed because too many TLS handshakes were under way'),
  cnxn_closed_without_zk_server_running: counter('connections closed because the server was not serving'),
  insecure_admin_count: counter('plain connections to an admin port that speaks TLS too'),
  ensemble_auth_fail: counter('connections that named another ensemble'),
  ensemble_auth_skip: counter('connections that named no ensemble'),
  ensemble_auth_success: counter('connections that named this ensemble'),
  connection_token_deficit: summary('tokens that the connection throttle lacked'),
  netty_queued_buffer_capacity: summary('bytes received from a connection and held back'),

  // Throttling
  large_requests_rejected: counter('requests refused because too many large ones were under way'),
  request_throttle_wait_count: counter('times a request had to wait for the throttle'),
  request_throttle_queue_time_ms: percentiles('time requests wait for the throttle'),
  stale_requests: counter('requests whose connection was gone when their turn came'),
  stale_requests_dropped: counter('stale requests not executed'),
  stale_replies: counter('answers whose connection was gone'),
  throttled_ops: counter('requests answered as throttled'),

  // Watches
  node_created_watch_count: summary('events sent for one creation'),
  node_deleted_watch_count: summary('events sent for one deletion'),
  node_changed_watch_count: summary('events sent for one change of data'),
  node_children_watch_count: summary('events sent for one change of children'),
  watch_bytes: counter('bytes of watch events sent'),
  dead_watchers_queued: counter('closed connections whose watches were to be removed'),
  dead_watchers_cleared: counter('closed connections whose watches have been removed'),
  dead_watchers_cleaner_latency: percentiles('time to remove the watches of closed connections'),
  add_dead_watcher_stall_time: counter('milliseconds that closing had to wait for the removal of watches'),

  // Answers
  response_bytes: counter('bytes of replies sent'),
  response_packet_cache_hits: counter('getData replies taken from the cache'),
  response_packet_cache_misses: counter('getData replies not found in the cache'),
  response_packet_get_children_cache_hits: counter('getChildren replies taken from the cache'),
  response_packet_get_children_cache_misses: counter('getChildren replies not found in the cache'),

  // TTL and quota
  ttl_node_created_count: counter('TTL nodes created'),
  ttl_node_deleted_count: counter('TTL nodes deleted because their time was over'),
  quota_exceeded_error_per_namespace: counterSet('writes refused by a hard quota, by top-level node'),
} as const satisfies Record<string, MetricRow>;

export type MetricName = keyof typeof metricTable;

/**
 * What nothing feeds, by the reason. The replica's clock stands still within a turn, so no time is measured between its
 * steps; and the steps are function calls, with no queue between them in which anything could wait.
 */
export const idleMetrics: Readonly<Record<string, readonly MetricName[]>> = {
  'what comes from another server is handled in its turn, and what is for others leaves at the end, in one write': [
    'skip_learner_request_to_next_processor_count',
    'learner_request_processor_queue_size',
    'learner_handler_qp_size',
    'learner_handler_qp_time_ms',
  ],
  'it is a time within a turn': [
    'prep_process_time',
    'proposal_process_time',
    'close_session_prep_time',
    'commit_process_time',
    'read_final_proc_time_ms',
    'write_final_proc_time_ms',
    'write_batch_time_in_commit_processor',
    'server_write_committed_time_ms',
    'socket_closing_time',
    'om_commit_process_time_ms',
    'om_proposal_process_time_ms',
  ],
  'there is no queue or thread there': [
    'prep_processor_queue_size',
    'prep_processor_queue_time_ms',
    'request_commit_queued',
    'requests_not_forwarded_to_commit_processor',
    'commit_commit_proc_req_queued',
    'concurrent_request_processing_in_commit_processor',
    'pending_session_queue_size',
    'read_commit_proc_issued',
    'read_commit_proc_req_queued',
    'reads_after_write_in_session_queue',
    'session_queues_drained',
    'time_waiting_empty_pool_in_commit_processor_read_ms',
    'write_commit_proc_issued',
    'write_commit_proc_req_queued',
    'netty_queued_buffer_capacity',
  ],
  'the watches of a closed connection are removed at once': [
    'dead_watchers_queued',
    'dead_watchers_cleared',
    'dead_watchers_cleaner_latency',
    'add_dead_watcher_stall_time',
  ],
  'replies are made straight from the tree, without a cache': [
    'response_packet_cache_hits',
    'response_packet_cache_misses',
    'response_packet_get_children_cache_hits',
    'response_packet_get_children_cache_misses',
  ],
  'an error that stops the server leaves nobody to be asked': ['unrecoverable_error_count'],
};
