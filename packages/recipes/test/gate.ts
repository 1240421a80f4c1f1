/** A network whose servers can be made to refuse writes, as with a full disk, and whose answers can be held back. */
import { nodeTransport, type Transport, type TransportEvents } from '@treekeeper/client';
import { OpCode } from '@treekeeper/protocol';
import { Bell } from '../src/bell.ts';

const LENGTH_BYTES = 4;
const XID_AT = 4;
const OPCODE_AT = 8;
const ERROR_AT = 16;
const HEADER_END = 20;
const NOT_READ_ONLY = -119;
/** Behind the length and the xid: exists, of `/`, without a watch. */
const HARMLESS = Buffer.from([0, 0, 0, OpCode.exists, 0, 0, 0, 1, '/'.charCodeAt(0), 0]);
const WRITES: ReadonlySet<number> = new Set([
  OpCode.create,
  OpCode.create2,
  OpCode.createContainer,
  OpCode.delete,
  OpCode.setData,
  OpCode.multi,
]);

/** Whole frames of a stream that comes in any pieces. */
class Frames {
  #rest = Buffer.alloc(0);

  take(bytes: Uint8Array): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const frames: Buffer[] = [];
    while (this.#rest.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + this.#rest.readInt32BE(0);
      if (this.#rest.length < end) {
        break;
      }
      frames.push(this.#rest.subarray(0, end));
      this.#rest = this.#rest.subarray(end);
    }
    return frames;
  }
}

export class Gate {
  /** Which writes are refused with NOT_READ_ONLY. */
  refuses: (opcode: number, frame: Buffer) => boolean = () => false;
  /** Told of each request that leaves. */
  onRequest: (opcode: number, frame: Buffer) => void = () => undefined;
  readonly #bell = new Bell();
  #refusals = 0;
  #held: (() => void)[] | null = null;
  readonly #cuts = new Set<() => void>();
  readonly transport: Transport = {
    connect: (target, events) => {
      const connection = nodeTransport().connect(target, this.#answers(events));
      const cut = (): void => {
        this.#cuts.delete(cut);
        connection.destroy();
        events.closed(new Error('cut'));
      };
      this.#cuts.add(cut);
      const requests = new Frames();
      let isHandshake = true;
      return {
        write: (bytes) => {
          for (const frame of requests.take(bytes)) {
            connection.write(isHandshake ? frame : this.#passed(frame));
            isHandshake = false;
          }
        },
        close: () => connection.close(),
        destroy: () => {
          this.#cuts.delete(cut);
          connection.destroy();
        },
      };
    },
  };
  readonly #refused = new Set<number>();

  /** From here on all writes are refused. */
  fill(): void {
    this.#refusals = 0;
    this.refuses = (opcode) => WRITES.has(opcode);
  }

  /** There is room again. */
  empty(): void {
    this.refuses = () => false;
  }

  /** Fulfils when so many writes have been refused since `fill`. */
  async refusals(count: number): Promise<void> {
    for (let next = this.#bell.next(); this.#refusals < count; next = this.#bell.next()) {
      await next;
    }
  }

  /** Fulfils when a request with this text in it has left. */
  sent(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.onRequest = (_, frame) => frame.includes(text) && resolve();
    });
  }

  /** Answers do not come until `release`. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const answer of held) {
      answer();
    }
  }

  /** All connections break; answers that were held are lost. */
  cut(): void {
    this.#held = null;
    for (const cut of [...this.#cuts]) {
      cut();
    }
  }

  #passed(frame: Buffer): Buffer {
    const opcode = frame.readInt32BE(OPCODE_AT);
    this.onRequest(opcode, frame);
    if (!this.refuses(opcode, frame)) {
      return frame;
    }
    this.#refusals += 1;
    this.#bell.ring();
    this.#refused.add(frame.readInt32BE(XID_AT));
    const passed = Buffer.concat([frame.subarray(0, OPCODE_AT), HARMLESS]);
    passed.writeInt32BE(passed.length - LENGTH_BYTES, 0);
    return passed;
  }

  #answers(events: TransportEvents): TransportEvents {
    const answers = new Frames();
    let isHandshake = true;
    const receive = (bytes: Uint8Array): void => {
      for (const frame of answers.take(bytes)) {
        events.received(isHandshake ? frame : this.#refusalOr(frame));
        isHandshake = false;
      }
    };
    return {
      opened: () => events.opened(),
      received: (chunk) => {
        const bytes = Buffer.from(chunk); // it is looked at later
        if (this.#held === null) {
          receive(bytes);
        } else {
          this.#held.push(() => receive(bytes));
        }
      },
      closed: (reason) => events.closed(reason),
    };
  }

  #refusalOr(frame: Buffer): Buffer {
    if (!this.#refused.delete(frame.readInt32BE(XID_AT))) {
      return frame;
    }
    const refusal = Buffer.from(frame.subarray(0, HEADER_END));
    refusal.writeInt32BE(HEADER_END - LENGTH_BYTES, 0);
    refusal.writeInt32BE(NOT_READ_ONLY, ERROR_AT);
    return refusal;
  }
}
