import { OpCode, SpecialXid } from '@treekeeper/protocol';
import { plain } from '../plain.ts';
import {
  type Event,
  type HandshakeAnswer,
  type HandshakeOptions,
  RawConnection,
  type Reply,
  requestFrame,
} from '../raw-client.ts';
import { describeItem, type Item, Side } from './answers.ts';
import { type Difference, type Disagreement, differences } from './differences.ts';
import { describeRequest, type Request } from './requests.ts';

/** A session that exists on both servers, and its connection to each, if it has one now. */
export interface Slot {
  readonly index: number;
  /** Number of the connection: watches belong to it. */
  connection: number;
  a: RawConnection | null;
  b: RawConnection | null;
  session: { a: HandshakeAnswer; b: HandshakeAnswer } | null;
  xid: number;
  /** Greatest zxid in B's replies on this connection. */
  seenByB: bigint;
}

export interface Handshake extends HandshakeOptions {
  /** With the slot's own session id and password, where these are not given. */
  readonly resume: boolean;
  /** The last zxid seen is this much above what each server has told. */
  readonly aheadBy?: bigint;
}

/** The two servers gave answers that no listed difference explains. */
export class UnexpectedDifference extends Error {
  override readonly name = 'UnexpectedDifference';
  /** What differs, in few words that are the same for the same cause. */
  readonly signature: string;

  constructor(signature: string, message: string) {
    super(message);
    this.signature = signature;
  }
}

const { ping, auth, sasl } = OpCode;
const CLOCKS_APART_MS_MAX = 10_000n;
const pingRequest: Request = { opcode: ping, body: Buffer.alloc(0) };

/** Server A and server B, driven with the same steps; every step compares all that came back. */
export class Pair {
  readonly sideA = new Side();
  readonly sideB = new Side();
  readonly slots: Slot[];
  /** Replies and events compared. */
  compared = 0;
  /** How often each listed difference was let through. */
  readonly letThrough = new Map<string, number>();
  readonly #ports: { a: number; b: number };
  readonly #bodiesForB: boolean;
  #connections = 0;
  #sessions = 0;

  /** `bodiesForB`: B takes the requests' other form, where they have one. */
  constructor(ports: { a: number; b: number }, slotCount: number, bodiesForB: boolean) {
    this.#ports = ports;
    this.#bodiesForB = bodiesForB;
    this.slots = Array.from({ length: slotCount }, (_, index) => ({
      index,
      connection: 0,
      a: null,
      b: null,
      session: null,
      xid: 0,
      seenByB: 0n,
    }));
  }

  /** Shakes hands on a new connection to each server and compares; takes the connection into the slot if it lives. */
  async connect(slot: Slot, wanted: Handshake): Promise<boolean> {
    const { resume, aheadBy, ...options } = wanted;
    const a = await RawConnection.open(this.#ports.a);
    const b = await RawConnection.open(this.#ports.b);
    const own = (answer: HandshakeAnswer | undefined, side: Side): HandshakeOptions => ({
      ...(resume && answer !== undefined ? { sessionId: answer.sessionId, password: answer.password } : {}),
      ...(aheadBy === undefined ? {} : { lastZxidSeen: side.maxZxid + aheadBy }),
      ...options,
    });
    const [answerA, answerB] = await Promise.all([
      a.handshake(own(slot.session?.a, this.sideA)),
      b.handshake(own(slot.session?.b, this.sideB)),
    ]);
    const told = [
      plainHandshake(answerA, resume ? (slot.session?.a ?? null) : null),
      plainHandshake(answerB, resume ? (slot.session?.b ?? null) : null),
    ];
    this.#demandEqual('handshake', told[0], told[1]);
    if (answerA === null || answerB === null || answerA.timeoutMs === 0) {
      await this.#demandClosed('refused handshake', a, b);
      return false;
    }
    if (slot.a !== null && slot.b !== null) {
      await this.#demandClosed('connection that lost its session', slot.a, slot.b);
    }
    if (!resume) {
      const name = `session ${++this.#sessions}`;
      this.sideA.nameSession(answerA.sessionId, name);
      this.sideB.nameSession(answerB.sessionId, name);
    }
    slot.session = { a: answerA, b: answerB };
    slot.a = a;
    slot.b = b;
    slot.connection = ++this.#connections;
    slot.xid = 0;
    slot.seenByB = 0n;
    return true;
  }

  /** Our side of both connections goes; the session stays. */
  drop(slot: Slot): void {
    slot.a?.destroy();
    slot.b?.destroy();
    slot.a = null;
    slot.b = null;
  }

  /** Sends the requests in one piece to each server, waits for the replies, compares them with the events between. */
  async requests(slot: Slot, requests: readonly Request[], sortEvents = false): Promise<Item[]> {
    const { a, b } = slot;
    if (a === null || b === null) {
      throw new Error('the slot has no connection');
    }
    const sent = requests.map((request) => ({ request, xid: this.#xid(slot, request) }));
    a.write(Buffer.concat(sent.map(({ request, xid }) => requestFrame(xid, request.opcode, request.body))));
    const bodyForB = ({ body, bodyB }: Request): Buffer => (this.#bodiesForB ? (bodyB ?? body) : body);
    b.write(Buffer.concat(sent.map(({ request, xid }) => requestFrame(xid, request.opcode, bodyForB(request)))));
    await this.#settled(requests, a, b);
    const items = this.#compare(slot, sent, [take(a, sent.length), take(b, sent.length)], sortEvents);
    const last = requests[requests.length - 1];
    if (last.closes === true) {
      await this.#demandClosed(`connection after opcode ${last.opcode}`, a, b);
    }
    if (a.closed || b.closed) {
      this.#demandEqual('connection', a.closed ? 'closed' : 'open', b.closed ? 'closed' : 'open');
      this.drop(slot);
    }
    return items;
  }

  /** A ping on every connection but one: after it, all events of earlier steps have been compared. */
  async fence(except: Slot | null, sortEvents: boolean): Promise<void> {
    for (const slot of this.slots) {
      if (slot !== except && slot.a !== null) {
        await this.requests(slot, [pingRequest], sortEvents);
      }
    }
  }

  /** Sends bytes that make each server close the connection. */
  async breakConnection(slot: Slot, bytes: Uint8Array): Promise<void> {
    const { a, b } = slot;
    if (a === null || b === null) {
      throw new Error('the slot has no connection');
    }
    a.write(bytes);
    b.write(bytes);
    await this.#demandClosed(`connection after the bytes ${Buffer.from(bytes.subarray(0, 12)).toString('hex')}`, a, b);
    this.#compare(slot, [], [take(a, 1), take(b, 1)], false);
    this.drop(slot);
  }

  #xid(slot: Slot, request: Request): number {
    if (request.opcode === ping) {
      return SpecialXid.ping;
    }
    return request.opcode === auth ? SpecialXid.auth : ++slot.xid;
  }

  async #settled(requests: readonly Request[], a: RawConnection, b: RawConnection): Promise<void> {
    const results = await Promise.allSettled([a.waitForReplies(requests.length), b.waitForReplies(requests.length)]);
    const told = results.map((result) => (result.status === 'fulfilled' ? 'answered' : String(result.reason)));
    if (told.some((text) => text !== 'answered')) {
      const opcodes = requests.map(({ opcode }) => opcode).join();
      throw new UnexpectedDifference('no answer', `opcodes ${opcodes}\n  A: ${told[0]}\n  B: ${told[1]}`);
    }
  }

  async #demandClosed(what: string, a: RawConnection, b: RawConnection): Promise<void> {
    const results = await Promise.allSettled([a.waitForClose(5000), b.waitForClose(5000)]);
    const told = results.map((result) => (result.status === 'fulfilled' ? 'closed' : 'open'));
    a.destroy();
    b.destroy();
    this.#demandEqual(what, told[0], told[1]);
  }

  #demandEqual(what: string, a: string, b: string): void {
    if (a !== b) {
      throw new UnexpectedDifference(`${what}`, `${what}\n  A: ${a}\n  B: ${b}`);
    }
  }

  #compare(slot: Slot, sent: readonly Sent[], [fromA, fromB]: Streams, sortEvents: boolean): Item[] {
    // Replies to auth and sasl are made on receipt and may overtake others; the rest comes in order.
    const overtakes = ({ request }: Sent): boolean => request.opcode === auth || request.opcode === sasl;
    const theirXids = new Set(sent.filter(overtakes).map(({ xid }) => xid));
    const isOvertaking = (message: Reply | Event): boolean => message.kind === 'reply' && theirXids.has(message.xid);
    const inOrder = (message: Reply | Event): boolean => !isOvertaking(message);
    const queued = sent.filter((one) => !overtakes(one));
    const items = this.#compareStreams(slot, queued, [fromA.filter(inOrder), fromB.filter(inOrder)], sortEvents);
    const early = [fromA.filter(isOvertaking), fromB.filter(isOvertaking)] as const;
    this.#compareStreams(slot, sent.filter(overtakes), early, sortEvents);
    return items;
  }

  #compareStreams(slot: Slot, sent: readonly Sent[], [fromA, fromB]: Streams, sortEvents: boolean): Item[] {
    const partsA = splitAtReplies(fromA);
    const partsB = splitAtReplies(fromB);
    const items: Item[] = [];
    for (let i = 0; i < Math.max(partsA.length, partsB.length); i++) {
      const request = sent[i]?.request ?? null;
      demandXid(sent[i], partsA[i]?.reply ?? null, 'A');
      demandXid(sent[i], partsB[i]?.reply ?? null, 'B');
      const opcode = request?.opcode ?? 0;
      const [partA, partB] = [partsA[i] ?? { events: [], reply: null }, partsB[i] ?? { events: [], reply: null }];
      const [replyA, replyB] = [partA.reply, partB.reply];
      const a: Item = replyA === null ? { kind: 'closed' } : this.sideA.reply(opcode, replyA);
      const b: Item = replyB === null ? { kind: 'closed' } : this.sideB.reply(opcode, replyB);
      const times = replyA === null || replyB === null ? [[], []] : [this.sideA.metTimes, this.sideB.metTimes];
      this.#compareEvents(slot, request, partA.events, partB.events, sortEvents);
      if (this.#agree(slot, request, a, b) === 'same') {
        this.#compareTimes(times[0], times[1]);
        items.push(a);
      }
      if (replyB !== null && replyB.zxid > slot.seenByB) {
        slot.seenByB = replyB.zxid;
      }
    }
    return items;
  }

  #compareEvents(slot: Slot, request: Request | null, fromA: Event[], fromB: Event[], sort: boolean): void {
    const key = (event: Event): string => `${event.path}\u0000${event.type}`;
    const order = (x: Event, y: Event): number => (key(x) < key(y) ? -1 : key(x) > key(y) ? 1 : 0);
    const [a, b] = sort ? [[...fromA].sort(order), [...fromB].sort(order)] : [fromA, fromB];
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
      const [x, y] = [a[i], b[i]];
      if (x === undefined || y === undefined) {
        const events = `events on connection ${slot.connection}\n  A: ${a.map(plain).join(' ')}\n  B: ${b.map(plain).join(' ')}`;
        throw new UnexpectedDifference('number of events', events);
      }
      this.#agree(slot, request, this.sideA.event(x), this.sideB.event(y));
    }
  }

  /** Whether A and B say the same, or differ as listed; throws if neither. */
  #agree(slot: Slot, request: Request | null, a: Item, b: Item): 'same' | 'let through' {
    this.compared++;
    if (plain(a) === plain(b)) {
      return 'same';
    }
    const disagreement: Disagreement = {
      request,
      a,
      b,
      sideA: this.sideA,
      sideB: this.sideB,
      seenByB: slot.seenByB,
    };
    const difference = differences.find(({ allows }) => allows?.(disagreement));
    if (difference !== undefined) {
      this.#count(difference);
      return 'let through';
    }
    const asked = request === null ? '' : `${describeRequest(request)}\n`;
    throw new UnexpectedDifference(causeOf(request, a, b), `${asked}  A: ${describeItem(a)}\n  B: ${describeItem(b)}`);
  }

  #count(difference: Difference): void {
    this.letThrough.set(difference.id, (this.letThrough.get(difference.id) ?? 0) + 1);
  }

  #compareTimes(a: readonly bigint[], b: readonly bigint[]): void {
    for (const [i, time] of a.entries()) {
      const apart = time - b[i];
      if (apart > CLOCKS_APART_MS_MAX || -apart > CLOCKS_APART_MS_MAX) {
        throw new UnexpectedDifference('time in a Stat', `  A: ${time}\n  B: ${b[i]}`);
      }
    }
  }
}

/** A reply belongs to the request at its place: one that is lost or too many would shift all that follow. */
function demandXid(sent: Sent | undefined, reply: Reply | null, side: string): void {
  if (reply !== null && reply.xid !== sent?.xid) {
    throw new UnexpectedDifference('order of replies', `${side} answers xid ${reply.xid} where ${sent?.xid} was asked`);
  }
}

/** Everything up to so many replies; events behind them belong to what comes next. */
function take(connection: RawConnection, replies: number): (Reply | Event)[] {
  const messages: (Reply | Event)[] = [];
  let left = replies;
  while (left > 0) {
    const message = connection.take();
    if (message === null) {
      break;
    }
    messages.push(message);
    left -= message.kind === 'reply' ? 1 : 0;
  }
  return messages;
}

interface Sent {
  readonly request: Request;
  readonly xid: number;
}

/** What came from A, and from B. */
type Streams = readonly [readonly (Reply | Event)[], readonly (Reply | Event)[]];

interface Part {
  readonly events: Event[];
  readonly reply: Reply | null;
}

/** Each reply with the events that came before it. Events behind the last reply are a part without one. */
function splitAtReplies(messages: readonly (Reply | Event)[]): Part[] {
  const parts: Part[] = [];
  let events: Event[] = [];
  for (const message of messages) {
    if (message.kind === 'event') {
      events.push(message);
    } else {
      parts.push({ events, reply: message });
      events = [];
    }
  }
  return events.length === 0 ? parts : [...parts, { events, reply: null }];
}

function plainHandshake(answer: HandshakeAnswer | null, before: HandshakeAnswer | null): string {
  if (answer === null) {
    return 'closed without answer';
  }
  const { sessionId, password } = answer;
  const isZero = Buffer.from(password).every((byte) => byte === 0);
  const id = sessionId === 0n ? '0' : sessionId === before?.sessionId ? 'the same' : 'a new one';
  const isSame = before !== null && Buffer.compare(Buffer.from(before.password), Buffer.from(password)) === 0;
  const secret = isZero ? `${password.length} zeros` : isSame ? 'the same' : `${password.length} bytes`;
  return plain({ ...answer, sessionId: id, password: secret });
}

/** Few words for what differs: the operation, and the errors or the fields. */
function causeOf(request: Request | null, a: Item, b: Item): string {
  const name = request === null ? 'no request' : `opcode ${request.opcode}`;
  if (a.kind === 'reply' && b.kind === 'reply') {
    if (a.err !== b.err) {
      return `${name}: err ${a.err} and ${b.err}`;
    }
    return a.zxid !== b.zxid ? `${name}: zxid, err ${a.err}` : `${name}: body, err ${a.err}`;
  }
  return a.kind === 'event' && b.kind === 'event'
    ? `event ${a.type} and ${b.type}`
    : `${name}: ${a.kind} and ${b.kind}`;
}
