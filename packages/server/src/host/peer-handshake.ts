/** What servers say to one another before the first message: INIT, and SASL (quorum-protocol.md §2.2, §2.7). */
import type { Socket } from 'node:net';
import {
  INIT_ADDRESSES_BYTES_MAX,
  Init,
  InitVersion,
  JuteWriter,
  QUORUM_AUTH_MAGIC,
  QuorumAuthPacket,
  QuorumAuthStatus,
} from '@treekeeper/protocol';

/** The connection is of no use; the message says why. */
export class PeerRefusal extends Error {
  override readonly name = 'PeerRefusal';
}

/**
 * Reads exactly what a handshake asks for and leaves the rest in the socket, which must have no `data` listener. Takes
 * so long in all; then, and when the other side ends it, the read that waits rejects with PeerRefusal.
 */
export class HandshakeReader {
  readonly #socket: Socket;
  readonly #deadline: NodeJS.Timeout;
  #wake: () => void = () => {};
  #over: string | null = null;

  constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#deadline = setTimeout(() => this.#end(`it did not finish its handshake within ${timeoutMs} ms`), timeoutMs);
    socket.on('readable', this.#onReadable);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onEnd);
    socket.on('error', this.#onError);
  }

  async read(sizeBytes: number): Promise<Buffer> {
    for (;;) {
      const bytes: Buffer | null = this.#socket.read(sizeBytes);
      if (bytes !== null && bytes.length === sizeBytes) {
        return bytes;
      }
      if (this.#over !== null) {
        throw new PeerRefusal(this.#over);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Puts bytes back, to be read again. */
  unread(bytes: Buffer): void {
    this.#socket.unshift(bytes);
  }

  /** The handshake is done; errors of the socket are the next owner's business. */
  release(): void {
    clearTimeout(this.#deadline);
    this.#socket.off('readable', this.#onReadable);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('close', this.#onEnd);
    this.#socket.off('error', this.#onError);
  }

  #end(reason: string): void {
    this.#over ??= reason;
    this.#wake();
  }

  readonly #onReadable = (): void => this.#wake();
  readonly #onEnd = (): void => this.#end('it closed the connection before the handshake was done');
  readonly #onError = (error: Error): void => this.#end(error.message);
}

// ---- INIT ----------------------------------------------------------------------------------------------------

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface InitSaid {
  readonly serverId: bigint;
  /** As the sender wrote them, wildcards left out; empty in the form of 3.4. */
  readonly addresses: readonly HostPort[];
}

/** In one piece: receivers take the addresses with one read. */
export function encodeInit(serverId: number, addresses: readonly HostPort[], isMultiAddress: boolean): Uint8Array {
  const writer = new JuteWriter();
  const told = isMultiAddress ? addresses : addresses.slice(0, 1);
  Init.encode(writer, {
    protocolVersion: isMultiAddress ? InitVersion.multiAddress : InitVersion.singleAddress,
    serverId: BigInt(serverId),
    addresses: told.map(addressText).join('|'),
  });
  return writer.detach();
}

export function addressText({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Reads an INIT of any age. Rejects with PeerRefusal. */
export async function readInit(reader: HandshakeReader): Promise<InitSaid> {
  const first = (await reader.read(8)).readBigInt64BE();
  if (first >= 0n) {
    return { serverId: first, addresses: [] };
  }
  if (first !== InitVersion.singleAddress && first !== InitVersion.multiAddress) {
    throw new PeerRefusal(`no server of an ensemble begins with ${first}`);
  }
  const head = await reader.read(12);
  const length = head.readInt32BE(8);
  if (length <= 0 || length > INIT_ADDRESSES_BYTES_MAX) {
    throw new PeerRefusal(`its addresses would take ${length} bytes, limit ${INIT_ADDRESSES_BYTES_MAX}`);
  }
  const text = (await reader.read(length)).toString('utf8');
  const addresses = text.split('|').map(parseAddress);
  return { serverId: head.readBigInt64BE(0), addresses: addresses.filter((address) => address !== null) };
}

const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '']);

/** Null: nothing that can be dialled. */
function parseAddress(text: string): HostPort | null {
  const match = /^(?:\[([^\]]*)\]|(.*)):(\d{1,5})$/s.exec(text);
  if (match === null) {
    return null;
  }
  const host = match[1] ?? match[2];
  const port = Number(match[3]);
  return WILDCARDS.has(host) || port < 1 || port > 65535 ? null : { host, port };
}

// ---- SASL ----------------------------------------------------------------------------------------------------

/** One exchange as the side that dialled. */
export interface SaslClientExchange {
  /** Takes what the server said (empty at the beginning) and gives the next token. */
  step(token: Uint8Array):
    | { readonly kind: 'response'; readonly token: Uint8Array }
    /** The server has proved itself. */
    | { readonly kind: 'done' }
    | { readonly kind: 'failed'; readonly reason: string };
}

/** One exchange as the side that was dialled. */
export interface SaslServerExchange {
  step(
    token: Uint8Array,
  ):
    | { readonly kind: 'challenge' | 'done'; readonly token: Uint8Array }
    | { readonly kind: 'failed'; readonly reason: string };
}

export interface PeerSasl {
  /** As the side that dials (learnerRequireSasl); null: it does not authenticate itself. */
  readonly startClient: (() => SaslClientExchange) | null;
  startServer(): SaslServerExchange;
  /** Peers that do not authenticate themselves, or fail to, are refused (serverRequireSasl). */
  readonly isRequired: boolean;
}

const AUTH_HEAD_BYTES = 16;
const AUTH_TOKEN_BYTES_MAX = 4096;
const ROUNDS_MAX = 5;

function sendAuth(socket: Socket, status: number, token: Uint8Array): void {
  const writer = new JuteWriter();
  QuorumAuthPacket.encode(writer, { magic: QUORUM_AUTH_MAGIC, status, token });
  socket.write(writer.detach());
}

async function readAuth(reader: HandshakeReader): Promise<{ status: number; token: Uint8Array }> {
  const head = await reader.read(AUTH_HEAD_BYTES);
  const length = head.readInt32BE(12);
  if (head.readBigInt64BE(0) !== QUORUM_AUTH_MAGIC || length > AUTH_TOKEN_BYTES_MAX) {
    throw new PeerRefusal('what it sent in place of an authentication packet is none');
  }
  const token = length > 0 ? await reader.read(length) : new Uint8Array(0);
  return { status: head.readInt32BE(8), token };
}

/** Proves who we are to the server that we have dialled. Rejects with PeerRefusal. */
export async function authenticateToPeer(
  socket: Socket,
  reader: HandshakeReader,
  exchange: SaslClientExchange,
): Promise<void> {
  let step = exchange.step(new Uint8Array(0));
  for (let round = 0; step.kind === 'response' && round < ROUNDS_MAX; round++) {
    sendAuth(socket, QuorumAuthStatus.inProgress, step.token);
    const { status, token } = await readAuth(reader);
    if (status === QuorumAuthStatus.error) {
      throw new PeerRefusal('it does not accept our credentials (quorum.auth.learner.saslLoginContext)');
    }
    step = exchange.step(token);
  }
  if (step.kind !== 'done') {
    throw new PeerRefusal(step.kind === 'failed' ? step.reason : 'authentication does not come to an end');
  }
}

/**
 * Finds out who has dialled us. A peer that does not authenticate itself, or fails to, may go on unless that is
 * required; what it did is then told in the result. Rejects with PeerRefusal.
 *
 * @returns null: authenticated
 */
export async function authenticatePeer(
  socket: Socket,
  reader: HandshakeReader,
  sasl: PeerSasl,
): Promise<string | null> {
  const peeked = await reader.read(8);
  reader.unread(peeked);
  let reason = 'it does not authenticate itself';
  if (peeked.readBigInt64BE(0) === QUORUM_AUTH_MAGIC) {
    const exchange = sasl.startServer();
    reason = 'authentication does not come to an end';
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const step = exchange.step((await readAuth(reader)).token);
      if (step.kind === 'done') {
        sendAuth(socket, QuorumAuthStatus.success, step.token);
        return null;
      }
      if (step.kind === 'failed') {
        reason = step.reason;
        break;
      }
      sendAuth(socket, QuorumAuthStatus.inProgress, step.token);
    }
    sendAuth(socket, QuorumAuthStatus.error, new Uint8Array(0));
  }
  if (sasl.isRequired) {
    throw new PeerRefusal(`${reason}, which quorum.auth.serverRequireSasl demands`);
  }
  return reason;
}
