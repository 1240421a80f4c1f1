import type { CallOptions, Client, WatchEvent } from '@treekeeper/client';
import { throughSessions } from './renewal.ts';

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
    await using watch = await throughSessions(client, async () => {
      const set = client.watch(path, { recursive, signal, timeoutMs: Number.POSITIVE_INFINITY });
      await set.ready;
      return set;
    });
    yield { type: 'gap', path, zxid: null };
    yield* watch;
  }
}

/** Of reads that go on as long as there is a session. */
export function patiently(signal: AbortSignal): CallOptions {
  const retry = { attemptsMax: Number.POSITIVE_INFINITY };
  return { signal, timeoutMs: Number.POSITIVE_INFINITY, retry };
}
