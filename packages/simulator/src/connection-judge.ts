/**
 * Judges what one server writes to its clients: each frame is put in its place in the order of transactions, and must
 * be true of the state of the model there; each watch must fire when it should, and before anything that shows why.
 */
import { ConnectResponse, ErrorNumber, type Infer, JuteReader, Perms, WatcherEvent } from '@treekeeper/protocol';
import type { ConnectionView, Sent, SentHandshake } from './checkers/connection-view.ts';
import { checkReply, type TxnLookup } from './checkers/replies.ts';
import { check } from './checkers/violation.ts';
import type { Coverage } from './coverage.ts';
import { type LoggedTxn, zxidText } from './history.ts';
import { permits } from './model/access.ts';
import { ModelState } from './model/state.ts';
import type { ModelChange } from './model/tree.ts';

/** A frame that the server has sent, with the zxid of the state that it shows. */
interface Frame {
  readonly xid: number;
  readonly zxid: number;
  readonly err: number;
  readonly body: Uint8Array;
  /** In the order of transactions it belongs here. */
  place: number;
}

interface Output {
  readonly view: ConnectionView;
  readonly frames: Frame[];
  next: number;
}

export interface Written {
  readonly view: ConnectionView;
  readonly bytes: Buffer;
}

/** What the judge needs of who knows the order of transactions. */
export interface JudgePorts {
  readonly history: TxnLookup;
  readonly coverage: Coverage;
  /** The next transaction comes after the judge's state: it is checked and applied. Returns what it changed. */
  advance(): ModelChange[];
  handshakeAnswered(view: ConnectionView, asked: SentHandshake, answer: Infer<typeof ConnectResponse>): void;
  /** Whether this closeSession ends a session without a transaction; left out: none does. */
  endsLocally?(sent: Sent): boolean;
  /** It has done so. */
  endedLocally?(sent: Sent): void;
  /** A request has been answered, rightly; `logged` is the transaction that this acknowledges. */
  answered(sent: Sent, logged: LoggedTxn | null): void;
}

const REPLY_HEADER_BYTES = 16;
const EVENT_XID = -1;

export class ConnectionJudge {
  /** After the last transaction that the server is known to have applied. */
  state = new ModelState();
  /** The last transaction that any client has been shown. */
  seenZxid = 0;
  /** Answers and events looked at. */
  framesChecked = 0;
  readonly #ports: JudgePorts;
  readonly #views = new Set<ConnectionView>();
  /** Catch-up events of a setWatches that are still to come. */
  readonly #catchUps = new Map<ConnectionView, { type: number; path: string }[]>();

  constructor(ports: JudgePorts) {
    this.#ports = ports;
  }

  connected(view: ConnectionView): void {
    this.#views.add(view);
  }

  /** An end of the connection is closed. */
  ended(view: ConnectionView): void {
    view.ended = true;
    this.#views.delete(view);
    this.#catchUps.delete(view);
  }

  /**
   * A turn has ended: what it wrote to connections, in the order of the connections' numbers.
   *
   * @param reached the zxid that the server has come to, told the highest that it has shown to a client
   */
  turned(written: readonly Written[], reached: (shownZxid: number) => number): void {
    const outputs = written.map(({ view, bytes }) => ({ view, frames: this.#cut(view, bytes), next: 0 }));
    let shownZxid = this.state.lastZxid;
    for (const { frames } of outputs) {
      place(frames, this.state.lastZxid);
      shownZxid = Math.max(shownZxid, frames.at(-1)?.place ?? 0);
    }
    const lastZxid = reached(shownZxid);
    for (;;) {
      for (const output of outputs) {
        this.#framesThrough(output, this.state.lastZxid);
      }
      if (this.state.lastZxid === lastZxid) {
        break;
      }
      this.#advance();
    }
    for (const { view, frames, next } of outputs) {
      const early = frames[next];
      const what = () =>
        `connection ${view.port}: the answer of ${early.xid} tells of zxid ${zxidText(early.zxid)}; the last applied is ` +
        zxidText(lastZxid);
      check(next === frames.length, 'order', what);
    }
  }

  /** After `turned`, and after the connections that the turn has closed were reported as `ended`. */
  checkNothingOverdue(): void {
    for (const view of this.#views) {
      view.events.checkDelivered(this.state.lastZxid, () => `the end of the turn, connection ${view.port},`);
    }
  }

  #cut(view: ConnectionView, bytes: Buffer): Frame[] {
    const frames: Frame[] = [];
    view.frames.push(bytes, (chunk, start, end) => {
      const frame = Buffer.from(chunk.subarray(start, end));
      this.framesChecked++;
      if (view.handshake !== null && view.sessionId === 0n) {
        const asked = view.handshake;
        view.handshake = null;
        this.#ports.handshakeAnswered(view, asked, ConnectResponse.decode(new JuteReader(frame)));
        return true;
      }
      check(frame.length >= REPLY_HEADER_BYTES, 'replies', () => `a frame of ${frame.length} bytes`);
      const zxid = Number(frame.readBigInt64BE(4));
      const body = frame.subarray(REPLY_HEADER_BYTES);
      frames.push({ xid: frame.readInt32BE(0), zxid, err: frame.readInt32BE(12), body, place: zxid });
      return true;
    });
    return frames;
  }

  #framesThrough(output: Output, zxid: number): void {
    const { view, frames } = output;
    for (; output.next < frames.length && frames[output.next].place <= zxid; output.next++) {
      const frame = frames[output.next];
      const late = () => `connection ${view.port}: zxid ${zxidText(frame.place)} came after ${zxidText(zxid)}`;
      check(frame.place === zxid, 'order', late);
      this.seenZxid = Math.max(this.seenZxid, frame.zxid);
      if (frame.xid === EVENT_XID) {
        this.#event(view, frame);
      } else {
        this.#reply(view, frame);
      }
    }
  }

  #event(view: ConnectionView, { zxid, body }: Frame): void {
    const { type, path } = WatcherEvent.decode(new JuteReader(body));
    this.#ports.coverage.happened(zxid >= 0 ? 'event' : 'event of setWatches');
    if (zxid >= 0) {
      view.events.delivered(type, path, zxid);
      return;
    }
    const next = this.#catchUp(view).shift();
    check(
      next?.type === type && next.path === path,
      'events',
      () => `connection ${view.port}: catch-up event ${type} for ${path} came where ${JSON.stringify(next)} was due`,
    );
  }

  /** What the setWatches that is to be answered next has to tell. */
  #catchUp(view: ConnectionView): { type: number; path: string }[] {
    let events = this.#catchUps.get(view);
    if (events === undefined) {
      const request = view.oldest?.request;
      events = request?.kind === 'setWatches2' ? view.watches.catchUp(this.state.tree, request.lists) : [];
      this.#catchUps.set(view, events);
    }
    return events;
  }

  #reply(view: ConnectionView, frame: Frame): void {
    const { coverage, history } = this.#ports;
    const sent = view.oldest;
    check(
      sent !== undefined,
      'replies',
      () => `connection ${view.port}: an answer that nobody waits for, ${frame.xid}`,
    );
    view.events.checkDelivered(frame.place, () => `the answer of ${sent.request.kind} ${sent.xid}`);
    if (sent.request.kind === 'setWatches2') {
      const [missing] = this.#catchUp(view);
      check(missing === undefined, 'events', () => `connection ${view.port}: ${JSON.stringify(missing)} was not told`);
      this.#catchUps.delete(view);
    }
    const isEnd = sent.request.kind === 'closeSession' && frame.err !== ErrorNumber.NOT_READ_ONLY;
    const endsLocally = isEnd && this.#ports.endsLocally?.(sent) === true;
    const logged = checkReply(sent, frame, this.state, history, endsLocally);
    view.answered();
    if (endsLocally) {
      this.#ports.endedLocally?.(sent);
      coverage.happened('local session closed');
    } else if (sent.refused) {
      coverage.happened('write refused for a full disk');
    } else if (logged === null) {
      coverage.happened('read answered');
    } else if (frame.err === ErrorNumber.QUOTA_EXCEEDED) {
      coverage.happened('write refused for a quota');
    } else {
      coverage.happened(frame.err === 0 ? 'write acknowledged' : 'write refused');
    }
    this.#ports.answered(sent, logged);
  }

  #advance(): void {
    const changes = this.#ports.advance();
    const { lastZxid } = this.state;
    for (const change of changes) {
      for (const view of this.#views) {
        for (const { type, path, acl } of view.watches.fire(change)) {
          if (permits(acl, Perms.read, view.identities)) {
            view.events.expect(type, path, lastZxid);
          }
        }
      }
    }
  }
}

/**
 * Gives frames without a zxid of their own a place: events made up by setWatches belong to the answer that follows,
 * answers to auth packets (zxid 0) to what came before.
 */
function place(frames: Frame[], zxidBefore: number): void {
  for (let i = frames.length - 1; i >= 0; i--) {
    const frame = frames[i];
    if (frame.xid === EVENT_XID && frame.zxid < 0) {
      frame.place = frames[i + 1]?.place ?? zxidBefore;
    }
  }
  let last = zxidBefore;
  for (const frame of frames) {
    if (frame.zxid === 0 && frame.xid !== EVENT_XID) {
      frame.place = last;
    }
    last = frame.place;
  }
}
