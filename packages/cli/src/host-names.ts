/** Whether the other servers can be found: what reading a file alone cannot tell. */
import { lookup } from 'node:dns/promises';
import type { Notice, ServerConfig } from '@treekeeper/server/config';

/** A name server that does not answer is a warning too. */
const LOOKUP_TIMEOUT_MS = 3000;

/** Warnings about server lines whose host names lead nowhere from here. */
export async function unresolvableHosts(
  config: ServerConfig,
  resolve: (host: string) => Promise<unknown> = lookup,
): Promise<Notice[]> {
  const members = config.ensemble?.configuration.members ?? [];
  const hosts = new Map(members.flatMap(({ id, addresses }) => addresses.map(({ host }) => [host, id])));
  const found = await Promise.all(
    [...hosts].map(async ([host, id]): Promise<Notice | null> => {
      const reason = await failureOf(resolve(host));
      const message =
        `server.${id}: the host name ${host} cannot be resolved here (${reason}): this server will try again whenever ` +
        'it looks for a leader. Correct the name, or make it known to this machine';
      return reason === null ? null : { origin: { kind: 'default' }, key: `server.${id}`, message };
    }),
  );
  return found.filter((notice) => notice !== null);
}

/** Null: it succeeded. */
async function failureOf(lookedUp: Promise<unknown>): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, LOOKUP_TIMEOUT_MS, 'no answer');
  });
  const failure = lookedUp.then(
    () => null,
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  );
  try {
    return await Promise.race([failure, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
