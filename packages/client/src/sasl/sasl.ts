import type { DigestMd5Options, GssapiOptions } from '../options.ts';
import { DigestMd5Conversation } from './digest-md5.ts';
import { gssapiConversations } from './gssapi.ts';

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

/** How to begin an exchange with a server of a given name. Rejects with KERBEROS_MISSING. */
export async function saslConversations(
  options: DigestMd5Options | GssapiOptions,
): Promise<(host: string) => SaslConversation> {
  return options.mechanism === 'GSSAPI'
    ? await gssapiConversations(options)
    : () => new DigestMd5Conversation(options.username, options.password);
}
