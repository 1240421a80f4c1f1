import type { DigestMd5Options, GssapiOptions } from '../options.ts';
import type { SaslConversation } from './conversation.ts';
import { DigestMd5Conversation } from './digest-md5.ts';
import { gssapiConversations } from './gssapi.ts';

/** How to begin an exchange with a server of a given name. Rejects with KERBEROS_MISSING. */
export async function saslConversations(
  options: DigestMd5Options | GssapiOptions,
): Promise<(host: string) => SaslConversation> {
  return options.mechanism === 'GSSAPI'
    ? await gssapiConversations(options)
    : () => new DigestMd5Conversation(options.username, options.password);
}
