import type { AuthOptions, SaslOptions } from '../auth/options.ts';
import type { LogOptions, LogThreshold } from '../host/logger.ts';
import type { TlsOptions } from '../host/tls.ts';
import type { StorageOptions } from '../storage/options.ts';
import type { Configuration } from '../zab/configuration.ts';

/** Sessions and the clock that they are counted in. */
export interface SessionsConfig {
  readonly tickTimeMs: number;
  readonly minTimeoutMs: number;
  readonly maxTimeoutMs: number;
  /** closeSession transactions list the ephemeral nodes that they delete. */
  readonly closeSessionTxnEnabled: boolean;
  readonly localSessionsEnabled: boolean;
  readonly localSessionsUpgradingEnabled: boolean;
}

/** The client ports and who may connect. */
export interface ListenersConfig {
  /** Null: no plaintext port. 0: any free port. */
  readonly clientPort: number | null;
  /** Null: all addresses. */
  readonly clientAddress: string | null;
  /** Null: no TLS port. */
  readonly secureClientPort: number | null;
  readonly secureClientAddress: string | null;
  /** −1: the system's default. */
  readonly backlog: number;
  /** Plaintext and TLS on the plaintext port. */
  readonly portUnification: boolean;
  readonly tcpKeepAlive: boolean;
  /** Sockets of one address per port kind; 0: no limit. */
  readonly connectionsPerAddressMax: number;
  /** Sockets in all; 0: no limit. */
  readonly connectionsMax: number;
  /** A socket that has not shaken hands after this long is closed. */
  readonly sessionlessTimeoutMs: number;
  /** The four-letter words that are answered; `*` among them: all. */
  readonly fourLetterWords: readonly string[];
}

/** The data directories and how they are written (disk-format.md). */
export interface StorageConfig extends Omit<StorageOptions, 'snapshotSliceBytes'> {
  /** The directory that holds `version-2` with the snapshots. */
  readonly dataDir: string;
  /** The directory that holds `version-2` with the logs; the same as dataDir unless split. */
  readonly dataLogDir: string;
  readonly dataDirAutocreate: boolean;
  /** Snapshots that a purge keeps, at least 3. */
  readonly purgeRetainCount: number;
  /** 0: no purging. */
  readonly purgeIntervalMs: number;
}

/** What a request may weigh and what happens when there are too many (client-protocol.md §12). */
export interface LimitsConfig {
  /** jute.maxbuffer: the largest frame. */
  readonly maxBufferBytes: number;
  /** What the server may add to a request's bytes; at least 1024. */
  readonly extraBytes: number;
  readonly globalOutstandingLimit: number;
  /** 0: the request throttler is off. */
  readonly requestThrottleMaxRequests: number;
  readonly requestThrottleDropStale: boolean;
  readonly requestStaleLatencyCheck: boolean;
  /** A request that waited longer is answered with THROTTLEDOP; 0: off. */
  readonly throttledOpWaitTimeMs: number;
  /** −1: no request counts as large. */
  readonly largeRequestThresholdBytes: number;
  readonly largeRequestMaxBytes: number;
  /** TLS handshakes in flight; −1: no limit. */
  readonly outstandingHandshakeLimit: number;
}

/** The token bucket that new sessions draw from. */
export interface ConnectionThrottleConfig {
  /** 0: off. */
  readonly tokens: number;
  readonly fillTimeMs: number;
  readonly fillCount: number;
  /** −1: the drop rate never changes. */
  readonly freezeTimeMs: number;
  readonly dropIncrease: number;
  readonly dropDecrease: number;
  readonly decreaseRatio: number;
  readonly weightEnabled: boolean;
  readonly globalSessionWeight: number;
  readonly renewSessionWeight: number;
  readonly localSessionWeight: number;
}

/** The tree and what clients may put into it. */
export interface DataModelConfig {
  /** TTL nodes. */
  readonly extendedTypesEnabled: boolean;
  readonly emulate353TtlNodes: boolean;
  readonly enforceQuota: boolean;
  readonly containerCheckIntervalMs: number;
  readonly containerMaxPerMinute: number;
  /** 0: containers that never had a child stay for good. */
  readonly containerMaxNeverUsedIntervalMs: number;
}

/** SASL for clients, and where Kerberos finds its own configuration. */
export interface SaslConfig extends SaslOptions {
  /** The JAAS file that names the users; null: no SASL. */
  readonly jaasFile: string | null;
  readonly krb5ConfigFile: string | null;
  readonly serverRealm: string | null;
}

/** One set of keys, certificates and rules: for clients, for servers and admin, for metrics. */
export interface TlsConfig extends TlsOptions {
  /** Watch the files and take up new ones without a restart. */
  readonly reloadOnChange: boolean;
}

/** The HTTP server for operators. */
export interface AdminConfig {
  readonly enabled: boolean;
  readonly address: string;
  readonly port: number;
  readonly commandUrl: string;
  readonly idleTimeoutMs: number;
  readonly portUnification: boolean;
  readonly forceHttps: boolean;
  readonly needClientAuth: boolean;
  readonly rateLimiterIntervalMs: number;
  readonly snapshotEnabled: boolean;
  readonly restoreEnabled: boolean;
}

/** The Prometheus endpoint. */
export interface MetricsConfig {
  readonly prometheusEnabled: boolean;
  readonly httpAddress: string;
  /** −1: no plain HTTP. */
  readonly httpPort: number;
  /** −1: no HTTPS. */
  readonly httpsPort: number;
  /** Metrics of the runtime (heap, event loop) too. */
  readonly exportRuntimeInfo: boolean;
  readonly summaryRotateIntervalMs: number;
}

export interface AuditConfig {
  readonly enabled: boolean;
  readonly file: string;
  readonly threshold: LogThreshold;
}

/** Sampling of hot paths. */
export interface PathStatsConfig {
  readonly enabled: boolean;
  readonly sampleRate: number;
  readonly maxDepth: number;
  readonly topPathMax: number;
  readonly slotDurationMs: number;
  readonly slotCapacity: number;
  readonly initialDelayMs: number;
  readonly delayMs: number;
}

/** Reports of a loop that was held up; ZooKeeper's pause monitor. */
export interface LoopLagConfig {
  readonly enabled: boolean;
  readonly probeMs: number;
  readonly infoThresholdMs: number;
  readonly warnThresholdMs: number;
}

/** What every server knows of itself, in an ensemble or not. */
export interface MembershipConfig {
  /** From the `myid` file; null without one. `conf` shows null as 0. */
  readonly serverId: number | null;
  readonly reconfigEnabled: boolean;
  readonly readOnlyModeEnabled: boolean;
}

/** One of several servers, or of one with standaloneEnabled=false (quorum-protocol.md §1). */
export interface EnsembleConfig {
  /** From the `myid` file; `configuration` has a line for it. */
  readonly serverId: number;
  /** In force when the server stopped: zoo.cfg's or that of the dynamic file, whose name ends in its version. */
  readonly configuration: Configuration;
  /** Proposed then, and newer: perhaps it is in force by now (`.dynamic.next`). Null: none. */
  readonly proposed: Configuration | null;
  /** No reconfiguration leaves fewer participants: 2, or 1 with standaloneEnabled=false. */
  readonly votersMin: number;

  /** For a learner to connect, for discovery and for synchronisation, each. */
  readonly initLimitTicks: number;
  /** How long a link may be silent, and a proposal unacknowledged. */
  readonly syncLimitTicks: number;
  /** For a learner to connect; 0: initLimitTicks. */
  readonly connectLimitTicks: number;
  /** Between two attempts to reach the leader. */
  readonly leaderConnectDelayMs: number;

  /** Quorum and election ports listen on all addresses, not only on those of the server line. */
  readonly listensOnAllAddresses: boolean;
  /** To connect to an election port. */
  readonly electionConnectTimeoutMs: number;
  /** For the first message of whoever has connected to our election port. */
  readonly electionReadTimeoutMs: number;
  /** A second apart; 0: no end. */
  readonly electionBindAttemptsMax: number;
  readonly notificationIntervalMinMs: number;
  readonly notificationIntervalMaxMs: number;
  /** Between servers. */
  readonly tcpKeepAlive: boolean;
  /** Server lines may have several addresses; servers tell each other all of theirs. */
  readonly multiAddressEnabled: boolean;

  /** The leader takes clients. */
  readonly leaderServes: boolean;
  /** A leader that one of its voters has left gives up waiting for a quorum after this long; −1: initLimitTicks. */
  readonly epochWaitMaxMs: number;
  /** Observers that may get a snapshot, or the transactions they miss, at the same time. */
  readonly concurrentSnapSyncsMax: number;
  readonly concurrentDiffSyncsMax: number;
  /** Recent transactions kept in memory for learners; at least 500. */
  readonly committedLogTxnsMax: number;
  /** How large a difference may be read from the log, against the newest snapshot; 0: any; below 0: none. */
  readonly snapshotSizeFactor: number;

  /** Up to so long an observer waits, by chance, before it looks for a leader again. */
  readonly observerElectionDelayMs: number;
  /** Where followers feed observers; 0: nowhere, the leader feeds them all. */
  readonly observerMasterPort: number;
  /** Up to so long an observer waits, by chance, before it looks for another of them. */
  readonly observerReconnectDelayMs: number;
  /** Observers keep a log. */
  readonly observerLogs: boolean;

  /** The servers speak TLS (`quorumTls`). */
  readonly tlsEnabled: boolean;
  /** They take TLS and plaintext from each other. */
  readonly portUnification: boolean;
  readonly saslEnabled: boolean;
  /** Servers that do not authenticate themselves are refused. */
  readonly saslServerRequired: boolean;
  /** Authenticate to other servers. */
  readonly saslLearnerRequired: boolean;
  /** Sections of the JAAS file (`sasl.jaasFile`). */
  readonly saslLearnerSection: string;
  readonly saslServerSection: string;
}

/** Where it all came from, for `conf`, `sysp`, `icfg` and the like. */
export interface SourceConfig {
  /** Null: no file, the embedded default. */
  readonly file: string | null;
  /** The file's text; empty without one. */
  readonly text: string;
  /** The system properties that ZooKeeper would have: -D options, and zoo.cfg keys that become `zookeeper.<key>`. */
  readonly properties: ReadonlyMap<string, string>;
}

/** Everything that the server can be told, checked and in the units that the names say. */
export interface ServerConfig {
  readonly sessions: SessionsConfig;
  readonly listeners: ListenersConfig;
  readonly storage: StorageConfig;
  readonly limits: LimitsConfig;
  readonly connectionThrottle: ConnectionThrottleConfig;
  readonly dataModel: DataModelConfig;
  /** Who clients are and what they may do; `auth.sasl` is `sasl`. */
  readonly auth: AuthOptions;
  readonly sasl: SaslConfig;
  /** The TLS client port. */
  readonly clientTls: TlsConfig;
  /** Ports between servers, and the admin server's HTTPS. */
  readonly quorumTls: TlsConfig;
  readonly metricsTls: TlsConfig;
  readonly admin: AdminConfig;
  readonly metrics: MetricsConfig;
  readonly audit: AuditConfig;
  readonly pathStats: PathStatsConfig;
  readonly loopLag: LoopLagConfig;
  readonly log: LogOptions;
  readonly membership: MembershipConfig;
  /** Null: a standalone server. */
  readonly ensemble: EnsembleConfig | null;
  readonly source: SourceConfig;
}

type Groups = Omit<ServerConfig, 'source' | 'ensemble'> & { readonly ensemble: EnsembleConfig };

/** `group.field` of every field that a key can set. */
export type ConfigField = {
  [G in keyof Groups]: `${G}.${keyof Groups[G] & string}`;
}[keyof Groups];

/** The type of the field that a `group.field` names. */
export type FieldValue<F extends ConfigField> = F extends `${infer G extends keyof Groups}.${infer N}`
  ? N extends keyof Groups[G]
    ? Groups[G][N]
    : never
  : never;
