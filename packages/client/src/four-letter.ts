import { parseServerList } from './connect-string.ts';
import { TreekeeperError } from './errors.ts';
import { limits } from './limits.ts';
import { nodeResolver, nodeTransport } from './node-transport.ts';
import type { HostPort } from './session/types.ts';
import type { TlsSettings } from './tls.ts';
import type { Resolver, Transport, TransportConnection } from './transport.ts';

/**
 * Options of `fourLetterWord`.
 *
 * @example
 * ```ts
 * const options: FourLetterOptions = { tls: { caFile: '/etc/ssl/zk-ca.pem' } };
 * const ask = (): Promise<string> => fourLetterWord('zk1.example:2281', 'mntr', options);
 * console.assert(typeof ask === 'function');
 * ```
 */
export interface FourLetterOptions {
  readonly tls?: true | TlsSettings | undefined;
}

/**
 * Asks one server (`host:port`) a four-letter word such as `srvr`, `mntr` or `ruok`, and fulfils with its answer as it
 * is. Servers answer those that their `4lw.commands.whitelist` names. Rejects with INVALID_OPTION, TIMEOUT (after a
 * second), or what the system says.
 *
 * @example
 * ```ts
 * const [server = ''] = connectString.split('/');
 * const mode = /^Mode: (.*)$/m.exec(await fourLetterWord(server, 'srvr'))?.[1];
 * console.assert(mode === 'standalone');
 * ```
 */
export async function fourLetterWord(server: string, word: string, options: FourLetterOptions = {}): Promise<string> {
  const [target, ...others] = parseServerList(server);
  if (target === undefined || others.length > 0 || !/^[a-z]{4}$/.test(word)) {
    const message = `one server and a word of four letters are needed, not "${server}" and "${word}"`;
    throw new TreekeeperError('INVALID_OPTION', { operation: 'fourLetterWord', message });
  }
  return await askServer(nodeTransport(options.tls ?? false), nodeResolver, target, word);
}

/** Sends a four-letter word and fulfils with the whole answer, without blanks around it (client-protocol.md §11). */
export async function askServer(
  transport: Transport,
  resolver: Resolver,
  { host, port }: HostPort,
  word: string,
): Promise<string> {
  const [address] = await resolver(host);
  if (address === undefined) {
    throw new TreekeeperError('CONNECT_FAILED', { message: `${host} has no address` });
  }
  return new Promise((resolve, reject) => {
    const answer: Uint8Array[] = [];
    const timer = setTimeout(() => {
      connection.destroy();
      reject(new TreekeeperError('TIMEOUT', { message: `${host}:${port} did not answer ${word}` }));
    }, limits.probeTimeoutMs);
    const connection: TransportConnection = transport.connect(
      { host, address, port },
      {
        opened: () => connection.write(Buffer.from(word)),
        received: (bytes) => answer.push(Uint8Array.from(bytes)),
        closed: (reason) => {
          clearTimeout(timer);
          if (reason === null) {
            resolve(Buffer.concat(answer).toString().trim());
          } else {
            reject(reason);
          }
        },
      },
    );
  });
}
