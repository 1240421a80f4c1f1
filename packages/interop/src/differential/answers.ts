/** What comes back, decoded and freed of what must differ between two servers: clocks, session ids, hash order. */
import {
  Create2Response,
  CreateResponse,
  ErrorResult,
  GetAclResponse,
  GetAllChildrenNumberResponse,
  GetChildren2Response,
  GetChildrenResponse,
  GetDataResponse,
  GetEphemeralsResponse,
  JuteReader,
  JuteWriter,
  MultiHeader,
  OpCode,
  type RecordType,
  SetSaslResponse,
  StatResponse,
  SyncResponse,
  WhoAmIResponse,
} from '@treekeeper/protocol';
import { plain } from '../plain.ts';
import type { Event, Reply } from '../raw-client.ts';

/** Answered by records without a body are all others. */
const replyRecords = new Map<number, RecordType>([
  [OpCode.create, CreateResponse],
  [OpCode.create2, Create2Response],
  [OpCode.createContainer, Create2Response],
  [OpCode.createTTL, Create2Response],
  [OpCode.exists, StatResponse],
  [OpCode.getData, GetDataResponse],
  [OpCode.setData, StatResponse],
  [OpCode.getACL, GetAclResponse],
  [OpCode.setACL, StatResponse],
  [OpCode.getChildren, GetChildrenResponse],
  [OpCode.getChildren2, GetChildren2Response],
  [OpCode.sync, SyncResponse],
  [OpCode.reconfig, GetDataResponse],
  [OpCode.sasl, SetSaslResponse],
  [OpCode.getEphemerals, GetEphemeralsResponse],
  [OpCode.getAllChildrenNumber, GetAllChildrenNumberResponse],
  [OpCode.addWatch, ErrorResult],
  [OpCode.whoAmI, WhoAmIResponse],
]);
const multiRecords = new Map<number, RecordType>([
  [-1, ErrorResult],
  [OpCode.create, CreateResponse],
  [OpCode.create2, Create2Response],
  [OpCode.setData, StatResponse],
  [OpCode.getData, GetDataResponse],
  [OpCode.getChildren, GetChildrenResponse],
]);

/** A reply or event in comparable form. Two of them are the same answer when `plain` of them is the same text. */
export interface ReplyItem {
  kind: 'reply';
  xid: number;
  zxid: bigint;
  err: number;
  body: unknown;
}
export type Item = ReplyItem | (Event & { zxid: bigint }) | { kind: 'closed' };

export function describeItem(item: Item | undefined): string {
  return item === undefined ? '(nothing)' : plain(item);
}

/** What is known of one server while its answers are read: everything that makes its answers comparable. */
export class Side {
  readonly #sessionNames = new Map<bigint, string>();
  readonly #times = new Map<bigint, bigint>();
  /** Zxids that this server alone has used up, ascending: a let-through difference. */
  readonly #extraZxids: bigint[] = [];
  /** Times met in the item just normalised, by their zxid: both servers must tell about the same hour. */
  metTimes: bigint[] = [];
  /** The greatest zxid that any answer has carried, in the server's own count. */
  maxZxid = 0n;

  /** Session ids have a name from here on, the same on both sides. */
  nameSession(id: bigint, name: string): void {
    this.#sessionNames.set(id, name);
  }

  sessionName(id: bigint): string {
    return this.#sessionNames.get(id) ?? `unknown session ${id}`;
  }

  addExtraZxid(zxid: bigint): void {
    this.#extraZxids.push(zxid);
  }

  /** The zxid as it would be without the transactions that this server alone has had. */
  canonicalZxid(zxid: bigint): bigint {
    const extras = this.#extraZxids;
    let count = extras.length;
    while (count > 0 && extras[count - 1] > zxid) {
      count--;
    }
    return zxid - BigInt(count);
  }

  /** The other way round: this server's own number for a canonical zxid. */
  ownZxid(canonical: bigint): bigint {
    let own = canonical;
    for (const extra of this.#extraZxids) {
      if (extra > own + 1n) {
        break;
      }
      own++;
    }
    return own;
  }

  reply(opcode: number, reply: Reply): ReplyItem {
    if (reply.zxid > this.maxZxid) {
      this.maxZxid = reply.zxid;
    }
    this.metTimes = [];
    const zxid = this.canonicalZxid(reply.zxid);
    return { kind: 'reply', xid: reply.xid, zxid, err: reply.err, body: this.#body(opcode, reply) };
  }

  event(event: Event): Event {
    return { ...event, zxid: this.canonicalZxid(event.zxid) };
  }

  #body(opcode: number, reply: Reply): unknown {
    if (reply.body.length === 0) {
      return null;
    }
    try {
      return this.#decode(opcode, reply.body);
    } catch {
      return { undecodable: reply.body.toString('hex') };
    }
  }

  #decode(opcode: number, body: Buffer): unknown {
    const reader = new JuteReader(body, 64 * 1024 * 1024);
    const writer = new JuteWriter();
    let value: unknown;
    if (opcode === OpCode.multi || opcode === OpCode.multiRead) {
      value = decodeMulti(reader, writer);
    } else {
      const record = replyRecords.get(opcode);
      if (record === undefined) {
        return { unexpected: body.toString('hex') };
      }
      value = record.decode(reader);
      record.encode(writer, value);
    }
    // The decoded form stands for the bytes only if it gives them back.
    if (!writer.copy().equals(body)) {
      return { value: this.normalise(value), bytes: body.toString('hex') };
    }
    return this.normalise(value);
  }

  /** Walks a decoded value; the names of the fields say what is what. */
  normalise(value: unknown): unknown {
    if (Array.isArray(value)) {
      return value.map((element) => this.normalise(element));
    }
    if (value === null || typeof value !== 'object' || value instanceof Uint8Array) {
      return value;
    }
    const fields: Record<string, unknown> = { ...value };
    if (typeof fields.ephemeralOwner === 'bigint') {
      return this.#stat(fields);
    }
    for (const [name, field] of Object.entries(fields)) {
      if (name === 'children' || name === 'ephemerals') {
        fields[name] = [...(field as string[])].sort();
      } else if (name === 'clientInfo') {
        fields[name] = (field as object[]).map(plain).sort();
      } else if (name === 'acl') {
        fields[name] = sortExpansions((field as object[]).map(plain));
      } else {
        fields[name] = this.normalise(field);
      }
    }
    return fields;
  }

  #stat(stat: Record<string, unknown>): Record<string, unknown> {
    const owner = stat.ephemeralOwner as bigint;
    return {
      ...stat,
      ctime: this.#time(stat.czxid as bigint, stat.ctime as bigint),
      mtime: this.#time(stat.mzxid as bigint, stat.mtime as bigint),
      czxid: this.canonicalZxid(stat.czxid as bigint),
      mzxid: this.canonicalZxid(stat.mzxid as bigint),
      pzxid: this.canonicalZxid(stat.pzxid as bigint),
      ephemeralOwner: owner === 0n ? 0 : this.sessionName(owner),
    };
  }

  /** A transaction has one time, the same wherever it shows: that, and not the value, can be compared. */
  #time(zxid: bigint, time: bigint): string {
    const known = this.#times.get(zxid);
    if (known === undefined) {
      this.#times.set(zxid, time);
    } else if (known !== time) {
      return `${time}, but ${known} before for zxid ${zxid}`;
    }
    this.metTimes.push(time);
    return time === 0n ? '0' : 'time of its zxid';
  }
}

function decodeMulti(reader: JuteReader, writer: JuteWriter): unknown {
  const results: unknown[] = [];
  for (;;) {
    const header = MultiHeader.decode(reader);
    MultiHeader.encode(writer, header);
    if (header.done) {
      results.push(header);
      return { results };
    }
    const record = multiRecords.get(header.type);
    const result = record?.decode(reader) ?? null;
    record?.encode(writer, result);
    results.push({ type: header.type, err: header.err, result });
  }
}

/** An `auth` entry becomes one entry per identity in no particular order: sorts each run of equal perms and scheme. */
function sortExpansions(entries: string[]): string[] {
  const kind = (entry: string): string => entry.slice(0, entry.lastIndexOf('"id":"'));
  const sorted: string[] = [];
  for (let from = 0; from < entries.length; ) {
    let to = from + 1;
    while (to < entries.length && kind(entries[to]) === kind(entries[from])) {
      to++;
    }
    sorted.push(...entries.slice(from, to).sort());
    from = to;
  }
  return sorted;
}
