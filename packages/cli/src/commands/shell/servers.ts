/** Questions of four letters, to each of the servers in the connect string (client-protocol.md §11). */
import { nodeResolver, nodeTransport } from '@treekeeper/client';
import { askServer, parseConnectString, srvServers } from '@treekeeper/client/internal';
import { reasonOf } from './format.ts';
import type { Shell } from './shell.ts';

/** What a server has said, or why it has not. */
export interface Answer {
  /** `host:port` */
  readonly server: string;
  readonly text: string | null;
  readonly error: string | null;
}

/** Asks all servers at the same time. */
export async function askAll(shell: Shell, word: string): Promise<Answer[]> {
  const { hosts: named, srvName } = parseConnectString(shell.servers);
  const hosts = srvName === null ? named : await srvServers({ name: srvName });
  const transport = nodeTransport(shell.connectOptions.tls ?? false);
  return Promise.all(
    hosts.map(async (target) => {
      const server = `${target.host}:${target.port}`;
      try {
        return { server, text: await askServer(transport, nodeResolver, target, word), error: null };
      } catch (error) {
        return { server, text: null, error: reasonOf(error) };
      }
    }),
  );
}

/** What `srvr` says, by its names; null: no answer, or the server does not serve. */
export function srvrFields({ text }: Answer): Map<string, string> | null {
  if (text === null || !text.includes('Mode:')) {
    return null;
  }
  return new Map([...text.matchAll(/^([^:\n]+): *(.*)$/gm)].map(([, name, value]) => [name, value]));
}

/** Whether a server says that it does not answer this word. */
export function isRefused({ text }: Answer): boolean {
  return text?.includes('is not in the whitelist') ?? false;
}
