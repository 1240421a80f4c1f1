/** `dns-srv://name`: the servers are those that the name stands for, and they change. */
import { resolveSrv } from 'node:dns/promises';
import type { Driver } from './driver.ts';
import { TreekeeperError } from './errors.ts';
import type { HostPort } from './session/types.ts';
import type { SrvResolver } from './transport.ts';

const TIMER_MS_MAX = 0x7fffffff;

export interface SrvSettings {
  readonly name: string;
  readonly refreshMs: number;
  readonly resolve: SrvResolver | undefined;
}

/** Rejects with CONNECT_FAILED when the name stands for no server, or the signal fires before that is known. */
export async function srvServers(
  { name, resolve = resolveSrv }: Pick<SrvSettings, 'name'> & Partial<SrvSettings>,
  signal?: AbortSignal,
): Promise<readonly HostPort[]> {
  const failed = (reason: string, cause?: unknown): TreekeeperError => {
    const message = `the SRV records of ${name}: ${reason}`;
    return new TreekeeperError('CONNECT_FAILED', { operation: 'connect', message, cause });
  };
  let records: Awaited<ReturnType<SrvResolver>>;
  try {
    records = await Promise.race([resolve(name), ...(signal === undefined ? [] : [fired(signal)])]);
  } catch (cause) {
    throw failed(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (records.length === 0) {
    throw failed('there are none');
  }
  return records.map(({ name: host, port }) => ({ host, port }));
}

/** Asks again and again, as long as the session lives. While nobody answers, the servers stay as they were. */
export function followSrv(driver: Driver, settings: SrvSettings, first: readonly HostPort[]): void {
  let known = listText(first);
  let isAsking = false;
  const ask = async (): Promise<void> => {
    if (isAsking) {
      return;
    }
    isAsking = true;
    const servers = await srvServers(settings).catch(() => []);
    isAsking = false;
    const text = listText(servers);
    if (servers.length > 0 && text !== known) {
      known = text;
      driver.setHosts(servers);
    }
  };
  const timer = setInterval(() => void ask(), Math.min(settings.refreshMs, TIMER_MS_MAX)).unref();
  const stop = driver.states.listen((state) => {
    if (state === 'closed') {
      clearInterval(timer);
      stop();
    } else if (state === 'disconnected') {
      void ask();
    }
  });
}

function fired(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** The order in which a name server lists them means nothing. */
function listText(servers: readonly HostPort[]): string {
  return servers
    .map(({ host, port }) => `${host}:${port}`)
    .sort()
    .join();
}
