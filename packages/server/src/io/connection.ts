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
  /**
   * Closes after everything written has been sent, or when the client has taken too long to take it; 'client-gone'
   * follows. Calling it again does nothing.
   */
  close(): void;
  /** Closes at once, and what waits is not sent; 'client-gone' follows. Calling it again does nothing. */
  cut(): void;
  /** Stops reading from the client (back-pressure by TCP) until `resumeReading`; one more chunk may come. */
  pauseReading(): void;
  resumeReading(): void;
}
