/** One client connection, as the replica sees it. What comes in arrives as inputs (input.ts). */
export interface Connection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Came in on the TLS port, or spoke TLS on a unified one. */
  readonly secure: boolean;
  /** Subject of the verified client certificate in RFC 2253 form; null without one. */
  readonly certificateSubject: string | null;
  /**
   * Sends bytes, in call order. True: they are on their way and the caller may reuse the buffer. False: the host keeps
   * the buffer until the client reads; `unsentBytes` tells how much is waiting.
   */
  write(bytes: Uint8Array): boolean;
  readonly unsentBytes: number;
  /** Closes after everything written has been sent; 'client-gone' follows. Calling it again does nothing. */
  close(): void;
  /** Stops reading from the client (back-pressure by TCP) until `resumeReading`; one more chunk may come. */
  pauseReading(): void;
  resumeReading(): void;
}

/** What one connection is to be sent. */
export interface Outgoing {
  readonly connection: Connection;
  readonly bytes: Uint8Array;
}

/** Sends to many connections sooner than a `write` to one after the other would. */
export interface BurstSender {
  /** To fewer connections it is not worth its while. */
  readonly connectionsMin: number;
  /**
   * Sends each connection as much as can leave at once, and tells how many bytes those were, in the order of `outgoing`.
   * The rest is the caller's, to be handed to `write`. No connection may be in it twice.
   */
  send(outgoing: readonly Outgoing[]): ArrayLike<number>;
}
