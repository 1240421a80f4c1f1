import { OPEN_ACL } from '@treekeeper/protocol';
import { checkOptions } from './check-options.ts';
import type { Client } from './client.ts';
import { parseConnectString } from './connect-string.ts';
import { authBody, ConnectedClient } from './connected-client.ts';
import { Driver } from './driver.ts';
import { followConfiguration } from './ensemble-config.ts';
import { TreekeeperError } from './errors.ts';
import { limits } from './limits.ts';
import { nodeResolver, nodeTransport } from './node-transport.ts';
import type { ConnectOptions } from './options.ts';
import { saslConversations } from './sasl/sasl.ts';
import { authOperation } from './session/internal-requests.ts';
import { sessionCore } from './session-core.ts';
import { followSrv, type SrvSettings, srvServers } from './srv-servers.ts';
import type { SessionState } from './types.ts';

/**
 * Begins a session, or goes on with one. `connectString` is `host:port,host:port/root`: any server of the ensemble, and
 * optionally the path that this client shall call `/`; IPv6 addresses in brackets. Or `dns-srv://name/root`: the servers
 * are those of the name's SRV records, which are looked up again from time to time. Fulfils when a server has taken the
 * session. Rejects with INVALID_OPTION, CONNECT_FAILED (which says what was wrong with each server), AUTH_FAILED,
 * SESSION_EXPIRED (of a session to go on with), ABORTED, KERBEROS_MISSING.
 *
 * @example
 * ```ts
 * await using other = await connect(connectString, { sessionTimeoutMs: 10_000 });
 * console.assert(other.state === 'connected' && other.sessionId !== 0n);
 * ```
 */
export async function connect(connectString: string, options: ConnectOptions = {}): Promise<Client> {
  checkOptions(options);
  const { hosts: named, srvName, root } = parseConnectString(connectString);
  const srv = srvName === null ? null : srvSettings(srvName, options);
  const hosts = srv === null ? named : await srvServers(srv, endOfConnecting(options));
  const sasl = options.sasl === undefined ? null : await saslConversations(options.sasl);
  const driver = new Driver({
    session: {
      hosts,
      shuffle: options.hostOrder !== 'given',
      sessionTimeoutMs: options.sessionTimeoutMs ?? limits.sessionTimeoutMs,
      readOnly: options.readOnly ?? false,
      session: options.session ?? null,
      onExpired: options.onExpired ?? 'close',
      expireByOwnClock: options.expireByOwnClock ?? false,
      sasl: sasl !== null,
      inFlightMax: options.inFlightMax ?? limits.inFlightMax,
      queuedMax: options.queuedMax ?? limits.queuedMax,
      requestBytesMax: options.requestBytesMax ?? limits.requestBytesMax,
      replyBytesMax: options.replyBytesMax ?? limits.replyBytesMax,
      random: Math.random,
    },
    requestTimeoutMs: options.requestTimeoutMs ?? limits.requestTimeoutMs,
    acl: options.acl ?? OPEN_ACL,
    retry: options.retry ?? {},
    transport: options.transport ?? nodeTransport(options.tls ?? false),
    resolver: options.resolver ?? nodeResolver,
    sasl,
  });
  const client = new ConnectedClient(sessionCore(driver), root, true);
  if (srv !== null) {
    followSrv(driver, srv, hosts);
  }
  const accepted = giveAuth(driver, options);
  driver.start();
  try {
    await connected(driver, accepted, options);
  } catch (error) {
    await client.close();
    throw error;
  }
  if (options.followConfig === true) {
    followConfiguration(client, driver, (options.tls ?? false) !== false);
  }
  return client;
}

function endOfConnecting({ connectTimeoutMs = limits.connectTimeoutMs, signal }: ConnectOptions): AbortSignal {
  const timeout = AbortSignal.timeout(Math.min(Math.ceil(connectTimeoutMs), TIMER_MS_MAX));
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}

function srvSettings(name: string, { srvRefreshMs, srvResolver }: ConnectOptions): SrvSettings {
  return { name, refreshMs: srvRefreshMs ?? limits.srvRefreshMs, resolve: srvResolver };
}

/** The identities wait in front of everything else; refused ones fail the connecting. */
function giveAuth(driver: Driver, { auth = [] }: ConnectOptions): Promise<unknown> {
  const terms = { signal: undefined, deadlineMs: Number.POSITIVE_INFINITY, retry: false } as const;
  const calls = auth.map(({ scheme, credentials }) =>
    driver.call(authOperation, authBody(scheme, credentials), 'connect', undefined, terms, null, {
      finish: () => null,
    }),
  );
  const all = Promise.all(calls);
  all.catch(() => null); // looked at later; until then it is not unhandled
  return all;
}

function connected(driver: Driver, accepted: Promise<unknown>, options: ConnectOptions): Promise<void> {
  const { connectTimeoutMs = limits.connectTimeoutMs, failFast = false, signal } = options;
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void): void => {
      stop();
      driver.onAlone = null;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      outcome();
    };
    const stop = driver.states.listen((state, reason) => {
      if (state === 'connected' || state === 'connected-read-only') {
        accepted.then(
          () => settle(resolve),
          (error: unknown) => settle(() => reject(error)),
        );
      } else if (state === 'expired' || state === 'auth-failed') {
        settle(() => reject(refusal(state, reason)));
      }
    });
    const fail = (when: string): void => {
      const faults = driver.session.faults;
      const message = `no server took the session${when}${faults === '' ? '' : ` (${faults})`}`;
      settle(() => reject(new TreekeeperError('CONNECT_FAILED', { operation: 'connect', message })));
    };
    const timer = setTimeout(() => fail(` within ${connectTimeoutMs} ms`), Math.min(connectTimeoutMs, TIMER_MS_MAX));
    if (failFast) {
      driver.onAlone = () => fail('');
    }
    const onAbort = (): void =>
      settle(() => reject(new TreekeeperError('ABORTED', { operation: 'connect', cause: signal?.reason })));
    if (signal?.aborted === true) {
      onAbort();
    }
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

const TIMER_MS_MAX = 0x7fffffff;

function refusal(state: SessionState, reason: string | null): TreekeeperError {
  const code = state === 'expired' ? 'SESSION_EXPIRED' : 'AUTH_FAILED';
  const message = state === 'expired' || reason === null ? undefined : reason;
  return new TreekeeperError(code, { operation: 'connect', message });
}
