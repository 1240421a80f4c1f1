/** From the configuration to what makes a server a member of its ensemble: Zab's options, sockets, files. */
import { randomBytes } from 'node:crypto';
import { digestUsers, JaasError, parseJaas } from '../auth/jaas.ts';
import { DigestMd5Server } from '../auth/sasl-digest-md5.ts';
import { DigestMd5Client, QUORUM_REALM, QUORUM_SERVICE } from '../auth/sasl-digest-md5-client.ts';
import type { EnsembleConfig, ServerConfig } from '../config/server-config.ts';
import { NodePeers } from '../host/node-peers.ts';
import type { PeerSasl } from '../host/peer-handshake.ts';
import type { PeerSecurity } from '../host/peer-sockets.ts';
import type { Log } from '../io/log.ts';
import type { PeerInput } from '../io/peers.ts';
import type { ConfigurationFiles as ConfigurationSink, EnsembleSeams } from '../replica/member.ts';
import type { Configuration } from '../zab/configuration.ts';
import { ZAB_DEFAULTS, type ZabOptions } from '../zab/options.ts';
import { ConfigurationFileError, ConfigurationFiles } from './configuration-files.ts';
import { ElectionPortError } from './election-port-error.ts';
import { readJaasText } from './sasl.ts';

const READ_ONLY_DELAY_MS_MIN = 2000;

/** What the server has to do when another configuration is in force. */
export type OnConfigured = (configuration: Configuration) => void;

/** What the sockets between servers tell the rest of the server. */
export interface PeerEvents {
  push(input: PeerInput): void;
  onFailure(error: Error): void;
}

/** Opens the election port. Rejects with TlsError or JaasError. */
export function openPeers(
  config: ServerConfig,
  ensemble: EnsembleConfig,
  log: Log,
  { push, onFailure }: PeerEvents,
): Promise<NodePeers> {
  return NodePeers.create({
    serverId: ensemble.serverId,
    handshakeTimeoutMs: ensemble.electionReadTimeoutMs,
    connectTimeoutMs: ensemble.electionConnectTimeoutMs,
    bindAttemptsMax: ensemble.electionBindAttemptsMax,
    listensOnAllAddresses: ensemble.listensOnAllAddresses,
    isMultiAddress: ensemble.multiAddressEnabled,
    observerMasterPort: ensemble.observerMasterPort === 0 ? null : ensemble.observerMasterPort,
    keepAlive: ensemble.tcpKeepAlive,
    security: securityOf(config, ensemble),
    log,
    push,
    onBindFailed: (error) => onFailure(new ElectionPortError(error.message)),
  });
}

/** All that a replica needs to join. */
export function ensembleSeams(
  config: ServerConfig,
  ensemble: EnsembleConfig,
  peers: NodePeers,
  log: Log,
  onConfigured: OnConfigured,
): EnsembleSeams {
  const files = configurationFiles(config, ensemble, log);
  return {
    zab: zabOptions(config, ensemble),
    peers,
    files: {
      proposed: (configuration) => files.proposed(configuration),
      committed: (configuration) => {
        files.committed(configuration);
        onConfigured(configuration);
      },
    },
    configuration: ensemble.configuration,
    proposedConfiguration: ensemble.proposed,
    reconfiguration: { votersMin: ensemble.votersMin, multiAddressEnabled: ensemble.multiAddressEnabled },
    readOnlyDelayMs: config.membership.readOnlyModeEnabled
      ? Math.max(READ_ONLY_DELAY_MS_MIN, config.sessions.tickTimeMs)
      : null,
    leaderServes: ensemble.leaderServes,
  };
}

function zabOptions({ sessions, storage, membership }: ServerConfig, ensemble: EnsembleConfig): ZabOptions {
  return {
    ...ZAB_DEFAULTS,
    serverId: ensemble.serverId,
    tickTimeMs: sessions.tickTimeMs,
    initLimitTicks: ensemble.initLimitTicks,
    syncLimitTicks: ensemble.syncLimitTicks,
    connectLimitTicks: ensemble.connectLimitTicks,
    leaderConnectDelayMs: ensemble.leaderConnectDelayMs,
    notificationIntervalMsMin: ensemble.notificationIntervalMinMs,
    notificationIntervalMsMax: ensemble.notificationIntervalMaxMs,
    epochWaitMsMax: ensemble.epochWaitMaxMs,
    concurrentSnapSyncsMax: ensemble.concurrentSnapSyncsMax,
    concurrentDiffSyncsMax: ensemble.concurrentDiffSyncsMax,
    committedLogEntriesMax: ensemble.committedLogTxnsMax,
    snapshotSizeFactor: ensemble.snapshotSizeFactor,
    reconfigEnabled: membership.reconfigEnabled,
    fieldBytesMax: storage.fieldBytesMax,
    observerElectionDelayMs: ensemble.observerElectionDelayMs,
    hasObserverMasters: ensemble.observerMasterPort > 0,
    observerReconnectDelayMs: ensemble.observerReconnectDelayMs,
    observerLogs: ensemble.observerLogs,
  };
}

/** What cannot be written is told, and no more: the configuration is in force all the same. */
function configurationFiles(
  { source, membership }: ServerConfig,
  ensemble: EnsembleConfig,
  log: Log,
): ConfigurationSink {
  if (source.file === null || !membership.reconfigEnabled) {
    return { committed: () => {}, proposed: () => {} };
  }
  const files = new ConfigurationFiles(source.file, ensemble.serverId);
  const guard = (write: () => void): void => {
    try {
      write();
    } catch (error) {
      if (!(error instanceof ConfigurationFileError)) {
        throw error;
      }
      log.error(error.message);
    }
  };
  return {
    committed: (configuration) => guard(() => files.writeCommitted(configuration)),
    proposed: (configuration) => guard(() => files.writeProposed(configuration)),
  };
}

/** How servers make sure of each other. Throws JaasError. */
export function securityOf(config: ServerConfig, ensemble: EnsembleConfig): PeerSecurity {
  const usesTls = ensemble.tlsEnabled || ensemble.portUnification;
  return {
    tls: usesTls ? config.quorumTls : null,
    sslQuorum: ensemble.tlsEnabled,
    portUnification: ensemble.portUnification,
    sasl: ensemble.saslEnabled ? saslOf(config, ensemble) : null,
  };
}

/** DIGEST-MD5 between servers (quorum-protocol.md §2.7). Throws JaasError. */
function saslOf({ sasl }: ServerConfig, ensemble: EnsembleConfig): PeerSasl {
  const { jaasFile } = sasl;
  if (jaasFile === null) {
    throw new JaasError('quorum.auth.enableSasl=true, and java.security.auth.login.config names no JAAS file');
  }
  const jaas = parseJaas(readJaasText(jaasFile), jaasFile);
  const users = digestUsers(jaas, ensemble.saslServerSection);
  const common = { service: QUORUM_SERVICE, randomBytes };
  return {
    startClient: ensemble.saslLearnerRequired ? startClient(jaas, ensemble.saslLearnerSection) : null,
    startServer: () => new DigestMd5Server({ ...common, realm: QUORUM_REALM, passwordOf: (user) => users.get(user) }),
    isRequired: ensemble.saslServerRequired,
  };
}

function startClient({ file, sections }: ReturnType<typeof parseJaas>, section: string): () => DigestMd5Client {
  const options = sections.get(section)?.[0]?.options;
  const user = options?.get('username');
  const password = options?.get('password');
  if (user === undefined || password === undefined) {
    throw new JaasError(
      `${file}: section ${section} has no username and password, which this server needs to authenticate itself to the ` +
        'others (quorum.auth.learnerRequireSasl); add them, or name another section in ' +
        'quorum.auth.learner.saslLoginContext',
    );
  }
  return () => new DigestMd5Client({ user, password, service: QUORUM_SERVICE, serverName: QUORUM_REALM, randomBytes });
}
