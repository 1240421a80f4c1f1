import type { Client } from './client.ts';
import type { CallOptions } from './types.ts';

/** Options of reads that go on as long as there is a session, and in the next one if the client begins one. */
export function patient(client: Pick<Client, 'state'>, signal?: AbortSignal): CallOptions {
  const hasNewSession = (): boolean => client.state !== 'expired' && client.state !== 'closed';
  return {
    signal,
    timeoutMs: Number.POSITIVE_INFINITY,
    retry: {
      attemptsMax: Number.POSITIVE_INFINITY,
      when: (error) => error.retry === 'safe' || (error.code === 'SESSION_EXPIRED' && hasNewSession()),
    },
  };
}
