/**
 * The seam to the network. Programs need it only to put something else in its place: a tunnel, a simulated world.
 *
 * @example
 * ```ts
 * const byNode = nodeTransport();
 * const counted: Transport = {
 *   connect(target, events) {
 *     return byNode.connect(target, events);
 *   },
 * };
 * await using other = await connect(connectString, { transport: counted });
 * console.assert(other.state === 'connected');
 * ```
 */
export interface Transport {
  /** Begins; what happens is told through `events`, never during this call. */
  connect(target: TransportTarget, events: TransportEvents): TransportConnection;
}

/**
 * Where to connect to.
 *
 * @example
 * ```ts
 * const asked: TransportTarget[] = [];
 * const transport: Transport = {
 *   connect(target, events) {
 *     asked.push(target);
 *     return nodeTransport().connect(target, events);
 *   },
 * };
 * await using other = await connect(connectString, { transport });
 * console.assert(asked[0]?.port === Number(connectString.match(/:(\d+)/)?.[1]));
 * ```
 */
export interface TransportTarget {
  /** As the connect string has it: the name that a certificate must carry. */
  readonly host: string;
  /** One of those that the resolver gave. */
  readonly address: string;
  readonly port: number;
}

/**
 * What a connection tells.
 *
 * @example
 * ```ts
 * let receivedBytes = 0;
 * const counting = (events: TransportEvents): TransportEvents => ({
 *   opened: () => events.opened(),
 *   received: (chunk) => {
 *     receivedBytes += chunk.length;
 *     events.received(chunk);
 *   },
 *   closed: (reason) => events.closed(reason),
 * });
 * const transport: Transport = { connect: (target, events) => nodeTransport().connect(target, counting(events)) };
 * await using other = await connect(connectString, { transport });
 * console.assert(receivedBytes > 0);
 * ```
 */
export interface TransportEvents {
  opened(): void;
  /** The bytes are looked at during the call only. */
  received(bytes: Uint8Array): void;
  /** Once, and last; with what went wrong, if anything did. Not after `close`. */
  closed(reason: Error | null): void;
}

/**
 * A connection on its way or open.
 *
 * @example
 * ```ts
 * const open: TransportConnection[] = [];
 * const transport: Transport = {
 *   connect(target, events) {
 *     const connection = nodeTransport().connect(target, events);
 *     open.push(connection);
 *     return connection;
 *   },
 * };
 * await using other = await connect(connectString, { transport });
 * console.assert(open.length > 0);
 * ```
 */
export interface TransportConnection {
  /** Takes the bytes over; they are sent in order. */
  write(bytes: Uint8Array): void;
  /** Sends what was written, and ends. */
  close(): void;
  /** Ends at once. */
  destroy(): void;
}

/** Addresses of a host name; asked at each attempt, so that moved servers are found. */
export type Resolver = (host: string) => Promise<readonly string[]>;

/**
 * One server that a name stands for.
 *
 * @example
 * ```ts
 * const records: SrvRecord[] = [{ name: 'zk1.example.com', port: 2181 }];
 * console.assert(records.length === 1);
 * ```
 */
export interface SrvRecord {
  readonly name: string;
  readonly port: number;
}

/**
 * The servers behind a name, for `dns-srv://`. Priorities and weights play no part: every server of an ensemble serves
 * equally well.
 *
 * @example
 * ```ts
 * const [, port] = /:(\d+)/.exec(connectString) ?? [];
 * const srvResolver: SrvResolver = async () => [{ name: '127.0.0.1', port: Number(port) }];
 * await using other = await connect('dns-srv://_zookeeper._tcp.example.com', { srvResolver });
 * console.assert(other.state === 'connected');
 * ```
 */
export type SrvResolver = (name: string) => Promise<readonly SrvRecord[]>;
