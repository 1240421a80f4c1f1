import type { CallOptions, Client, WatchEvent } from '@treekeeper/client';

/**
 * The events of a persistent watch as long as the client lives: it is set again if somebody removes it, or the session
 * ends. Begins with a `gap`, behind which nothing is missed. The signal ends it.
 */
export async function* eventsOf(
  client: Client,
  path: string,
  recursive: boolean,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void> {
  while (!signal.aborted && client.state !== 'closed') {
    await using watch = client.watch(path, { recursive, ...patiently(client, signal) });
    await watch.ready;
    yield { type: 'gap', path, zxid: null };
    yield* watch;
  }
}

/**
 * Of reads that go on as long as there is a session, and in the client's next one, if it begins one: what is on its way
 * when a session ends fails with it.
 */
export function patiently(client: Client, signal?: AbortSignal): CallOptions {
  const hasSession = (): boolean => client.state !== 'expired' && client.state !== 'closed';
  return {
    signal,
    timeoutMs: Number.POSITIVE_INFINITY,
    retry: {
      attemptsMax: Number.POSITIVE_INFINITY,
      when: ({ code, retry }) => retry === 'safe' || (code === 'SESSION_EXPIRED' && hasSession()),
    },
  };
}
