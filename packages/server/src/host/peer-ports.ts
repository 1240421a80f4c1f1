/** Binding the addresses of a port between servers, with patience: the one before may not be gone yet. */
import type { Socket } from 'node:net';
import type { Log } from '../io/log.ts';
import { addressText, type HostPort } from './peer-handshake.ts';
import type { PeerListener, PeerSockets } from './peer-sockets.ts';

export interface BindOptions {
  readonly addresses: readonly HostPort[];
  /** Binds the wildcard with the ports of the addresses. */
  readonly listensOnAllAddresses: boolean;
  /** 0: for ever. */
  readonly attemptsMax: number;
  /** What the port is called in the log. */
  readonly what: string;
  readonly log: Log;
  onSocket(socket: Socket): void;
  /** The last attempt has failed. */
  onFailed(error: Error): void;
}

/** A port that is open, or about to be. */
export interface Listening {
  /** Resolves when it is open or given up. */
  readonly settled: Promise<void>;
  close(): void;
}

const RETRY_MS = 1000;

/** Binds all addresses; those that cannot be had are tried again every second. */
export function bindAll(sockets: PeerSockets, options: BindOptions): Listening {
  const listeners: PeerListener[] = [];
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  let wake: () => void = () => {};

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      timer = setTimeout(resolve, RETRY_MS);
    });

  const bind = async (host: string | undefined, port: number): Promise<void> => {
    const address = addressText({ host: host ?? '*', port });
    for (let attempt = 1; !isClosed; attempt++) {
      try {
        const listener = await sockets.listen(host, port, options.onSocket);
        listeners.push(listener);
        if (isClosed) {
          listener.close();
        }
        return;
      } catch (error) {
        if (!(error instanceof Error) || isClosed) {
          return;
        }
        if (attempt === options.attemptsMax) {
          options.onFailed(new Error(`the ${options.what} ${address} cannot be opened: ${reasonOf(error)}`));
          return;
        }
        if (attempt === 1) {
          options.log.warn(`the ${options.what} ${address} cannot be opened yet, trying again: ${reasonOf(error)}`);
        }
        await pause();
      }
    }
  };

  const wanted = new Map<string, [host: string | undefined, port: number]>();
  for (const { host, port } of options.addresses) {
    wanted.set(options.listensOnAllAddresses ? String(port) : addressText({ host, port }), [
      options.listensOnAllAddresses ? undefined : host,
      port,
    ]);
  }
  const settled = Promise.all([...wanted.values()].map(([host, port]) => bind(host, port))).then(() => {});
  return {
    settled,
    close() {
      isClosed = true;
      clearTimeout(timer);
      wake();
      for (const listener of listeners) {
        listener.close();
      }
    },
  };
}

/** What the system said, and what it mostly means. */
function reasonOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRNOTAVAIL') {
    return (
      `${error.message}. This machine does not have that address: see whether the number in myid is that of its server ` +
      'line; where the address is one of a router or container host, set quorumListenOnAllIPs=true'
    );
  }
  return code === 'EADDRINUSE'
    ? `${error.message}. Another process has the port: maybe another server with the same number, or one that still runs`
    : error.message;
}
