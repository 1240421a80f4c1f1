/** The client's side of one SASL exchange (client-protocol.md §8.6). */
export interface SaslConversation {
  /**
   * Takes the server's challenge (null at the beginning) and gives the answer; null when the exchange is complete.
   * Rejects when the server did not prove to be who it should be, or the mechanism fails.
   */
  step(challenge: Uint8Array | null): Promise<Uint8Array | null>;
  /** The server has proved who it is; it need not say more. */
  readonly isSatisfied: boolean;
  dispose(): void;
}
