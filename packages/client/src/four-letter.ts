import { TreekeeperError } from './errors.ts';
import { limits } from './limits.ts';
import type { HostPort } from './session/types.ts';
import type { Resolver, Transport, TransportConnection } from './transport.ts';

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
