/** /zookeeper/config: what stands there, and clients that go where it says. */
import type { Client } from './client.ts';
import { parseServerList } from './connect-string.ts';
import type { Driver } from './driver.ts';
import type { GetDataReply } from './operations.ts';
import { patient } from './patient.ts';
import type { EnsembleConfig } from './types.ts';

/** Listening everywhere: clients find it where the other servers do. */
const ANYWHERE: ReadonlySet<string> = new Set(['0.0.0.0', '[::]', '']);
/** `server.N=host:quorum:election[:role][|...];[host:]port[;[host:]securePort]` (quorum-protocol.md §1.1). */
const SERVER_LINE = /^server\.\d+=(\[[^\]]+\]|[^:]+):[^;]*(?:;([^;]*))?(?:;([^;]*))?$/;

export function ensembleConfig({ data, stat }: GetDataReply): EnsembleConfig {
  const text = Buffer.from(data ?? []).toString();
  const version = /^version=([0-9a-f]+)$/m.exec(text)?.[1];
  const lines = text.split('\n').flatMap((line) => {
    const found = SERVER_LINE.exec(line.trim());
    return found === null ? [] : [found];
  });
  return {
    text,
    version: version === undefined ? null : BigInt(`0x${version}`),
    clientAddresses: lines.flatMap(([, host, client]) => addressOf(host, client)),
    secureClientAddresses: lines.flatMap(([, host, , client]) => addressOf(host, client)),
    stat,
  };
}

function addressOf(host: string | undefined, client: string | undefined): string[] {
  const [, address = '', port] = /^(?:(.*):)?(\d+)$/.exec(client?.trim() ?? '') ?? [];
  return port === undefined ? [] : [`${ANYWHERE.has(address) ? host : address}:${port}`];
}

/**
 * Keeps the session's servers those of the configuration. It goes on over reconnects and into new sessions, as the
 * watch does, and ends with the client; where the configuration may not be read, the servers stay as they are.
 */
export function followConfiguration(client: Client, driver: Driver, isSecure: boolean): void {
  let known = '';
  const follow = async (): Promise<void> => {
    const config = await client.getConfig({ watch: changed, ...patient(client) });
    const addresses = isSecure ? config.secureClientAddresses : config.clientAddresses;
    const list = [...addresses].sort().join();
    if (list !== '' && list !== known) {
      known = list;
      driver.setHosts(parseServerList(list));
    }
  };
  const changed = ({ type }: { readonly type: string }): void => {
    if (type !== 'lost') {
      follow().catch(() => undefined);
    }
  };
  follow().catch(() => undefined);
}
