/** What comes in on a connection: a four-letter word, or a handshake and then requests (client-protocol.md §2.1). */
import type { ClientConnection } from './client-connection.ts';
import type { Instruments } from './instruments.ts';
import type { Outputs } from './output.ts';

/** `needs`: bytes that must follow the word before it can be answered. */
export type ProbeAnswer = { readonly text: string } | { readonly needs: number };

/** What frames are handed to while this server serves. */
export interface InboundService {
  readonly requests: {
    /** Takes a whole frame of an open session. False: read no further from this connection for now. */
    accept(client: ClientConnection, bytes: Uint8Array, start: number, end: number): boolean;
  };
  readonly handshake: {
    /** Takes the first frame. */
    accept(client: ClientConnection, bytes: Uint8Array, start: number, end: number): void;
  };
}

export interface InboundPorts {
  readonly outputs: Outputs;
  readonly instruments: Instruments;
  /** Answers a four-letter word; null: these four bytes are none. */
  probe(word: Uint8Array, argument: Uint8Array): ProbeAnswer | null;
  close(client: ClientConnection): void;
  /** Nobody takes its frames, and somebody will in a moment: reading is paused until then. False: nobody will. */
  wait(client: ClientConnection): boolean;
}

const NOTHING = new Uint8Array(0);

export class Inbound {
  readonly #ports: InboundPorts;
  #service: InboundService | null = null;
  /** Whose frames are being read; a field, so that no closure is made for each chunk. */
  #reading: ClientConnection | null = null;

  constructor(ports: InboundPorts) {
    this.#ports = ports;
  }

  /** Who takes frames from now on; null: whoever sends one waits, or is closed. */
  serve(service: InboundService | null): void {
    this.#service = service;
  }

  /** Takes bytes as they have come in. */
  receive(client: ClientConnection, bytes: Uint8Array): void {
    this.#ports.instruments.bytesReceived.value += bytes.length;
    if (client.phase === 'closing') {
      return;
    }
    if (client.phase === 'new' && client.probe !== 'no') {
      const rest = this.#tryProbe(client, bytes);
      if (rest === null) {
        return;
      }
      this.#frames(client, rest);
      return;
    }
    this.#frames(client, bytes);
  }

  /**
   * The first four bytes are a frame's length or a four-letter word (client-protocol.md §2.1). Returns the bytes to
   * go on with as frames, null when the connection is a probe or more bytes are needed.
   */
  #tryProbe(client: ClientConnection, chunk: Uint8Array): Uint8Array | null {
    const bytes = client.probeBytes.length === 0 ? chunk : Buffer.concat([client.probeBytes, chunk]);
    if (bytes.length >= 4) {
      const answer = this.#ports.probe(bytes.subarray(0, 4), bytes.subarray(4));
      if (answer === null) {
        client.probe = 'no';
        client.probeBytes = NOTHING;
        return bytes;
      }
      if ('text' in answer) {
        this.#ports.outputs.of(client).raw(Buffer.from(answer.text));
        this.#ports.close(client);
        return null;
      }
    }
    client.probeBytes = Buffer.from(bytes);
    return null;
  }

  /** Reading was paused and may go on: with the frames that were left. */
  goOn(client: ClientConnection): void {
    this.#frames(client, NOTHING);
  }

  #frames(client: ClientConnection, bytes: Uint8Array): void {
    if (client.ending) {
      return;
    }
    if (this.#service === null) {
      if (this.#ports.wait(client)) {
        client.frames.keep(bytes);
      } else {
        this.#ports.instruments.metrics.cnxn_closed_without_zk_server_running.add(1);
        this.#ports.close(client); // at once, even before the frame is whole (§2.3)
      }
      return;
    }
    if (client.pauses !== 0) {
      client.frames.keep(bytes); // they were on their way when reading was paused
      return;
    }
    this.#reading = client;
    try {
      client.frames.push(bytes, this.#onFrame);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'FrameLengthError') {
        throw error;
      }
      this.#ports.close(client); // the stream cannot be followed any further
    }
  }

  readonly #onFrame = (bytes: Uint8Array, start: number, end: number): boolean => {
    const client = this.#reading as ClientConnection;
    const { requests, handshake } = this.#service as InboundService;
    if (client.phase === 'open') {
      return requests.accept(client, bytes, start, end);
    }
    if (client.phase === 'new') {
      client.statistics.packetsReceived++;
      this.#ports.instruments.statistics.packetsReceived++;
      handshake.accept(client, bytes, start, end);
      return (client.phase as string) === 'open';
    }
    return false;
  };
}
