/**
 * What a role asks of the world around it, in two trays. `append` goes to the log; what must not be said before the log
 * is on disk waits for `synced`. Further calls (to peers) come with ensembles.
 */
export interface Outbox {
  /** Adds a proposal to this server's own log, in zxid order. */
  append(zxid: number, payload: Uint8Array): void;
}
