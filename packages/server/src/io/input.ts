import type { Connection } from './connection.ts';
import type { DiskCompletion } from './disk.ts';
import type { PeerInput } from './peers.ts';

/**
 * Everything that can happen to a replica, as plain data. The host puts inputs into the inbox; a turn takes them out.
 */
export type Input =
  | { readonly kind: 'client-open'; readonly connection: Connection }
  /**
   * The bytes are the replica's from now on: nobody else changes them. What it keeps for longer than the request that
   * they belong to it copies, for a few bytes keep the whole chunk in memory.
   */
  | { readonly kind: 'client-data'; readonly connection: Connection; readonly bytes: Uint8Array }
  /** Output that was waiting (`unsentBytes` > 0) has been sent. */
  | { readonly kind: 'client-drained'; readonly connection: Connection }
  | { readonly kind: 'client-gone'; readonly connection: Connection }
  | DiskCompletion
  | PeerInput;
