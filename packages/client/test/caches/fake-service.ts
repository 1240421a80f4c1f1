/**
 * A tree with one reader, whose network is moved by hand: requests are executed, answers and events delivered in their
 * order, but how the three interleave is the test's choice, events ahead of answers and far behind them alike.
 */
import type { Stat } from '@treekeeper/protocol';
import type { Client } from '../../src/client.ts';
import type { Codec } from '../../src/codec.ts';
import { TreekeeperError } from '../../src/errors.ts';
import { EventQueue } from '../../src/event-queue.ts';
import type { Watch, WatchEvent, WatchOptions } from '../../src/types.ts';

interface FakeNode {
  readonly data: Buffer;
  readonly czxid: bigint;
  readonly mzxid: bigint;
}
interface Request {
  readonly execute: () => () => void;
}

export class FakeService {
  readonly nodes = new Map<string, FakeNode>([['/', { data: Buffer.alloc(0), czxid: 0n, mzxid: 0n }]]);
  readonly client: Client;
  readonly #tellsZxids: boolean;
  #zxid = 0n;
  #requests: Request[] = [];
  #answers: { readonly request: Request; readonly deliver: () => void }[] = [];
  #events: WatchEvent[] = [];
  #watch: (EventQueue<WatchEvent> & { isSet: boolean; recursive: boolean; path: string }) | null = null;

  constructor(tellsZxids: boolean) {
    this.#tellsZxids = tellsZxids;
    const service = this;
    this.client = {
      state: 'connected',
      get lastZxid() {
        return service.#zxid;
      },
      watch: (path: string, options: WatchOptions) => this.#setWatch(path, options),
      get: (path: string, { codec }: { codec: Codec<unknown, never> }) =>
        this.#request(path, ({ data }, stat) => ({ value: codec.decode(data), stat })),
      exists: (path: string) =>
        this.#request(path, (_, stat) => stat).catch((error: TreekeeperError) => {
          if (error.code !== 'NO_NODE') {
            throw error;
          }
          return null;
        }),
      childrenWithStat: (path: string) => this.#request(path, (_, stat) => ({ children: this.#children(path), stat })),
    } as unknown as Client;
  }

  create(path: string, value: string): void {
    if (!this.nodes.has(path) && this.nodes.has(parentOf(path))) {
      this.#zxid++;
      this.nodes.set(path, { data: Buffer.from(value), czxid: this.#zxid, mzxid: this.#zxid });
      this.#tell('created', path);
    }
  }

  set(path: string, value: string): void {
    const node = this.nodes.get(path);
    if (node !== undefined) {
      this.#zxid++;
      this.nodes.set(path, { ...node, data: Buffer.from(value), mzxid: this.#zxid });
      this.#tell('data-changed', path);
    }
  }

  delete(path: string): void {
    if (this.#children(path).length === 0 && this.nodes.delete(path)) {
      this.#zxid++;
      this.#tell('deleted', path);
    }
  }

  /** The next request reaches the tree. */
  execute(): boolean {
    const request = this.#requests.shift();
    if (request !== undefined) {
      this.#answers.push({ request, deliver: request.execute() });
    }
    return request !== undefined;
  }

  answer(): boolean {
    const answer = this.#answers.shift();
    answer?.deliver();
    return answer !== undefined;
  }

  event(): boolean {
    const event = this.#events.shift();
    if (event !== undefined) {
      this.#watch?.push(event);
    }
    return event !== undefined;
  }

  /** What was on its way to the reader is lost: its reads are sent again, and it is told of a gap. */
  cut(): void {
    this.#requests = [...this.#answers.splice(0).map(({ request }) => request), ...this.#requests].reverse();
    if (this.#watch?.isSet === true) {
      this.#events = [{ type: 'gap', path: this.#watch.path, zxid: null }];
    }
  }

  #tell(type: WatchEvent['type'], path: string): void {
    const watch = this.#watch;
    if (watch?.isSet === true && (path === watch.path || (watch.recursive && isBelow(path, watch.path)))) {
      this.#events.push({ type, path, zxid: this.#tellsZxids ? this.#zxid : null });
    }
  }

  #children(path: string): string[] {
    const others = [...this.nodes.keys()].filter((other) => other !== '/' && parentOf(other) === path);
    return others.map((other) => other.slice(other.lastIndexOf('/') + 1));
  }

  #request<R>(path: string, look: (node: FakeNode, stat: Stat) => R): Promise<R> {
    return new Promise((resolve, reject) => {
      const execute = (): (() => void) => {
        const node = this.nodes.get(path);
        if (node === undefined) {
          const error = new TreekeeperError('NO_NODE', { path, zxid: this.#zxid });
          return () => reject(error);
        }
        const { czxid, mzxid } = node;
        const result = look(node, { czxid, mzxid, numChildren: this.#children(path).length } as Stat);
        return () => resolve(result);
      };
      this.#requests.push({ execute });
    });
  }

  #setWatch(path: string, { recursive = false }: WatchOptions): Watch {
    const queue = Object.assign(new EventQueue<WatchEvent>(10_000), { isSet: false, recursive, path });
    this.#watch = queue;
    const ready = new Promise<{ zxid: bigint }>((resolve) => {
      const execute = (): (() => void) => {
        queue.isSet = true;
        const zxid = this.#zxid;
        return () => resolve({ zxid });
      };
      this.#requests.push({ execute });
    });
    return Object.assign(queue, {
      ready,
      close: async () => queue.end(),
      [Symbol.asyncDispose]: async () => queue.end(),
    });
  }
}

function isBelow(path: string, top: string): boolean {
  return path.startsWith(top === '/' ? top : `${top}/`);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
