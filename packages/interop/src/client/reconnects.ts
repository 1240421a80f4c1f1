/** A client that loses its connection again and again must be, in the end, as it was in the beginning. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { connect } from '@treekeeper/client';
import { FaultProxy } from './fault-proxy.ts';
import { until } from './session-cases.ts';

export interface Footprint {
  readonly timers: number;
  readonly sockets: number;
  readonly heapBytes: number;
}

export interface ReconnectReport {
  readonly connections: number;
  readonly before: Footprint;
  readonly after: Footprint;
  /** Listeners left on a signal that many calls were given. */
  readonly signalListeners: number;
}

/** What the first connections warm up is no leak. */
const WARM_UP = 50;

export async function runReconnects(server: string, count: number): Promise<ReconnectReport> {
  await using proxy = await FaultProxy.start(server);
  // Named so often that the client never has tried all, behind which it would pause.
  const servers = Array.from({ length: WARM_UP + count + 1 }, () => proxy.address);
  await using client = await connect(servers.join());
  const { signal } = new AbortController();
  let signalListeners = 0;
  countListeners(signal, (change) => {
    signalListeners += change;
  });
  await client.exists('/never', { watch: () => undefined });
  await using watch = client.watch('/never');
  await watch.ready;
  const reconnect = async (): Promise<void> => {
    const read = client.get('/', { signal, timeoutMs: 60_000 });
    proxy.cutAll();
    await until(client, 'disconnected');
    await read; // it was lost, and repeated by itself
  };
  for (let i = 0; i < WARM_UP; i++) {
    await reconnect();
  }
  const before = await footprint();
  for (let i = 0; i < count; i++) {
    await reconnect();
  }
  await client.sync();
  return { connections: proxy.accepted, before, after: await footprint(), signalListeners };
}

function countListeners(signal: AbortSignal, count: (change: number) => void): void {
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    count(1);
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    count(-1);
    removeEventListener.apply(signal, args);
  };
}

async function footprint(): Promise<Footprint> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) {
    await new Promise((done) => setImmediate(done)); // sockets tell of their end one visit later
    collect();
  }
  const resources = process.getActiveResourcesInfo();
  const count = (name: string): number => resources.filter((resource) => resource === name).length;
  return {
    timers: count('Timeout'),
    sockets: count('TCPSocketWrap'),
    heapBytes: process.memoryUsage().heapUsed,
  };
}
