/** The other servers over real sockets: what io/peers.ts asks for, on top of the election port and the quorum port. */
import type { Log } from '../io/log.ts';
import type { Link, LinkPort, PeerAddresses, PeerInput, Peers } from '../io/peers.ts';
import { BIND_ATTEMPTS_MAX_DEFAULT, CONNECT_TIMEOUT_MS_DEFAULT, ElectionPort } from './election-port.ts';
import { NO_SECURITY, type PeerSecurity, PeerSockets } from './peer-sockets.ts';
import { QuorumPort } from './quorum-port.ts';

export interface NodePeersOptions {
  readonly serverId: number;
  /** How long INIT and authentication may take (quorumCnxnTimeoutMs; −1 there means syncLimit ticks). */
  readonly handshakeTimeoutMs: number;
  /** How long one attempt to reach an election port may take (cnxTimeout). */
  readonly connectTimeoutMs?: number;
  /** How often binding the election port is tried, 1 s apart; 0: for ever (electionPortBindRetry). */
  readonly bindAttemptsMax?: number;
  /** Both ports also on addresses that are not configured (quorumListenOnAllIPs). */
  readonly listensOnAllAddresses?: boolean;
  /** Tells all own addresses in INIT (multiAddress.enabled). */
  readonly isMultiAddress?: boolean;
  /** Where followers feed observers, on the hosts of their quorum addresses; null: nowhere (observerMasterPort). */
  readonly observerMasterPort?: number | null;
  /** SO_KEEPALIVE (tcpKeepAlive). */
  readonly keepAlive?: boolean;
  readonly security?: PeerSecurity;
  readonly log: Log;
  push(input: PeerInput): void;
  /** The election port cannot be had: the server must end (exit code 14). */
  onBindFailed(error: Error): void;
}

export class NodePeers implements Peers {
  readonly #serverId: number;
  readonly #sockets: PeerSockets;
  readonly #election: ElectionPort;
  readonly #ports: Readonly<Record<LinkPort, QuorumPort>>;
  readonly #observerMasterPort: number | null;
  #members = new Map<number, PeerAddresses>();
  #isOpen = false;
  #isClosed = false;

  private constructor(options: NodePeersOptions) {
    const { serverId, handshakeTimeoutMs, log, push, onBindFailed } = options;
    const { security = NO_SECURITY, listensOnAllAddresses = false, keepAlive = false } = options;
    this.#serverId = serverId;
    this.#sockets = new PeerSockets({ security, keepAlive, log });
    const common = { listensOnAllAddresses, handshakeTimeoutMs, security, log };
    this.#election = new ElectionPort(
      {
        ...common,
        serverId,
        isMultiAddress: options.isMultiAddress ?? false,
        connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT,
        bindAttemptsMax: options.bindAttemptsMax ?? BIND_ATTEMPTS_MAX_DEFAULT,
        onNotification: (from, bytes) => push({ kind: 'notification', serverId: from, bytes }),
        onBindFailed,
      },
      this.#sockets,
    );
    const handlers = {
      onOpen: (link: Link, dialled: boolean) => push({ kind: 'link-open', link, dialled }),
      onData: (link: Link, bytes: Uint8Array) => push({ kind: 'link-data', link, bytes }),
      onGone: (link: Link) => push({ kind: 'link-gone', link }),
    };
    this.#observerMasterPort = options.observerMasterPort ?? null;
    this.#ports = {
      quorum: new QuorumPort({ ...common, what: 'quorum port', handlers }, this.#sockets),
      observers: new QuorumPort({ ...common, what: 'port for observers', handlers }, this.#sockets),
    };
  }

  /** Reads the key stores, if there is TLS; the first `setMembers` opens the election port. Rejects with TlsError. */
  static async create(options: NodePeersOptions): Promise<NodePeers> {
    const peers = new NodePeers(options);
    await peers.#sockets.prepare();
    return peers;
  }

  setMembers(members: readonly PeerAddresses[], restart: boolean): void {
    if (this.#isClosed) {
      return;
    }
    // Who has been removed from the ensemble stays where it was: it may follow, and be taken in again.
    const own = this.#members.get(this.#serverId);
    this.#members = new Map(members.map((member) => [member.serverId, member]));
    if (own !== undefined && !this.#members.has(this.#serverId)) {
      this.#members.set(this.#serverId, own);
    }
    this.#election.setMembers([...this.#members.values()]);
    if (restart || !this.#isOpen) {
      this.#election.close();
      this.#election.open();
      this.#isOpen = true;
    }
  }

  /** Resolves when the ports that are to be open are. */
  async opened(): Promise<void> {
    await this.#election.opened();
    await this.#ports.quorum.opened();
  }

  notify(serverId: number, notification: Uint8Array): void {
    if (this.#isOpen) {
      this.#election.notify(serverId, notification);
    }
  }

  dialAll(): void {
    if (this.#isOpen) {
      this.#election.dialAll();
    }
  }

  listen(port: LinkPort): void {
    if (!this.#isClosed) {
      this.#ports[port].listen(this.#placesOf(this.#serverId, port));
    }
  }

  stopListening(port: LinkPort): void {
    this.#ports[port].stopListening();
  }

  connect(serverId: number, timeoutMs: number, port: LinkPort): Link {
    const who = port === 'quorum' ? `server ${serverId}` : `server ${serverId}, which may feed observers,`;
    return this.#ports[port].connect(this.#placesOf(serverId, port), timeoutMs, who);
  }

  #placesOf(serverId: number, port: LinkPort): PeerAddresses['quorum'] {
    const quorum = this.#members.get(serverId)?.quorum ?? [];
    const otherPort = this.#observerMasterPort;
    if (port === 'quorum') {
      return quorum;
    }
    return otherPort === null ? [] : quorum.map(({ host }) => ({ host, port: otherPort }));
  }

  /** Closes all ports and every connection. */
  close(): void {
    this.#isClosed = true;
    this.#isOpen = false;
    this.#election.close();
    this.#ports.quorum.close();
    this.#ports.observers.close();
    this.#sockets.close();
  }
}
