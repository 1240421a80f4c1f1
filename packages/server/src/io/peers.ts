/** The other servers, as the replica sees them. What they send arrives as inputs (input.ts). */

/**
 * One connection on the quorum port: a byte stream between a learner and its leader, whoever dialled. What comes in
 * arrives as 'link-open', 'link-data' and 'link-gone' inputs.
 */
export interface Link {
  readonly remoteAddress: string;
  /** Sends bytes, in call order; the bytes are the host's from now on. */
  write(bytes: Uint8Array): void;
  /** Bytes written and not yet taken by the system. */
  readonly unsentBytes: number;
  /** Closes at once; 'link-gone' follows. Calling it again does nothing. */
  close(): void;
}

/** Where a member is found: all that dialling needs. Several addresses are tried in parallel. */
export interface PeerAddresses {
  readonly serverId: number;
  readonly quorum: readonly { readonly host: string; readonly port: number }[];
  readonly election: readonly { readonly host: string; readonly port: number }[];
}

/** The quorum port is the leader's; a follower may have one for observers (observerMasterPort). */
export type LinkPort = 'quorum' | 'observers';

export interface Peers {
  /**
   * The members to reach, this server among them; replaces those of before. When `restart` is set, all election
   * connections are closed and the election port is bound anew (quorum-protocol.md §2.5).
   */
  setMembers(members: readonly PeerAddresses[], restart: boolean): void;
  /**
   * Sends a notification to a member's election port, dialling it when there is no connection. One that has not left
   * yet is replaced (§2.4). The bytes are the host's from now on.
   */
  notify(serverId: number, notification: Uint8Array): void;
  /** Dials the election ports of all members to which there is no connection. */
  dialAll(): void;
  /** Opens a port for learners. */
  listen(port: LinkPort): void;
  /** Closes it; links that are open stay. */
  stopListening(port: LinkPort): void;
  /**
   * Dials a member's port once. 'link-open' follows with this link, or 'link-gone' when it could not be reached within
   * `timeoutMs`.
   */
  connect(serverId: number, timeoutMs: number, port: LinkPort): Link;
}

/** What comes from other servers. */
export type PeerInput =
  /** A whole notification that came in on the election port; the bytes are the replica's. */
  | { readonly kind: 'notification'; readonly serverId: number; readonly bytes: Uint8Array }
  /** A learner has dialled the quorum port, or a link that this server dials is there. */
  | { readonly kind: 'link-open'; readonly link: Link; readonly dialled: boolean }
  /** The bytes are the replica's. */
  | { readonly kind: 'link-data'; readonly link: Link; readonly bytes: Uint8Array }
  | { readonly kind: 'link-gone'; readonly link: Link };
