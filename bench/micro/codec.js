// What the codec costs, in nanoseconds per operation: `npm run build && node bench/micro/codec.js`.
// Each case runs in turn for several rounds, and the best round counts: the machine's other work only ever adds.
import {
  CreateTxn,
  decodeFields,
  encodeFields,
  FrameReader,
  GetDataResponse,
  JuteReader,
  JuteWriter,
  OPEN_ACL,
  ReplyHeader,
  RequestHeader,
  TxnHeader,
  WatchedPathRequest,
} from '@treekeeper/protocol';

const ROUNDS = 11;
const OPERATIONS = 200_000;

const requests = Array.from({ length: 1000 }, (_, i) => {
  const writer = new JuteWriter();
  RequestHeader.encode(writer, { xid: i + 1, type: 4 });
  WatchedPathRequest.encode(writer, { path: `/bench/node-${String(i).padStart(8, '0')}`, watch: false });
  return writer.copy();
});
// As they come from a socket: one chunk that holds them all, each behind its length.
const stream = Buffer.concat(requests.flatMap((request) => [Buffer.from([0, 0, 0, request.length]), request]));
const FRAME_BYTES = 4 + requests[0].length;

const stat = {
  czxid: 0x100000001,
  mzxid: 0x100000002,
  ctime: 1_780_000_000_000,
  mtime: 1_780_000_000_001,
  version: 3,
  cversion: 0,
  aversion: 0,
  ephemeralOwner: 0n,
  dataLength: 100,
  numChildren: 0,
  pzxid: 0x100000001,
};
const data = new Uint8Array(100).fill(120);
const header = { xid: 7, zxid: 0x100000002, err: 0 };
const txnHeader = { clientId: 0x100003cdd190000n, cxid: 9, zxid: 0x100000002, time: 1_780_000_000_000, type: 1 };
const create = { path: '/bench/node-00000001', data, acl: OPEN_ACL, ephemeral: false, parentCVersion: 12 };
const createBytes = encoded((writer) => {
  TxnHeader.encode(writer, txnHeader);
  CreateTxn.encode(writer, create);
});

const reader = new JuteReader();
const writer = new JuteWriter(1 << 16);
const frames = new FrameReader(1 << 20);
let sink = 0;

function encoded(write) {
  const into = new JuteWriter();
  write(into);
  return into.copy();
}

function rewound() {
  if (writer.length > 32_768) {
    writer.clear();
  }
}

/** @type {Record<string, (i: number) => void>} */
const cases = {
  'decode RequestHeader + path + watch': (i) => {
    const start = (i % 1000) * FRAME_BYTES;
    reader.reset(stream, start + 4, start + FRAME_BYTES);
    sink += RequestHeader.decode(reader).type + WatchedPathRequest.decode(reader).path.length;
  },
  'the same by the interpreter': (i) => {
    const start = (i % 1000) * FRAME_BYTES;
    reader.reset(stream, start + 4, start + FRAME_BYTES);
    sink += decodeFields(reader, RequestHeader.fields).type;
    sink += decodeFields(reader, WatchedPathRequest.fields).path.length;
  },
  'encode ReplyHeader + data + Stat': (i) => {
    rewound();
    header.xid = i;
    ReplyHeader.encode(writer, header);
    GetDataResponse.encode(writer, { data, stat });
  },
  'the same with the interpreter': (i) => {
    rewound();
    header.xid = i;
    encodeFields(writer, ReplyHeader.fields, header);
    encodeFields(writer, GetDataResponse.fields, { data, stat });
  },
  'encode TxnHeader + CreateTxn': (i) => {
    rewound();
    txnHeader.cxid = i;
    TxnHeader.encode(writer, txnHeader);
    CreateTxn.encode(writer, create);
  },
  'decode TxnHeader + CreateTxn': () => {
    reader.reset(createBytes, 0, createBytes.length);
    sink += TxnHeader.decode(reader).cxid + CreateTxn.decode(reader).path.length;
  },
  'encode a path of 20 characters': () => {
    rewound();
    writer.ustring('/bench/node-00000001');
  },
  'encode a long given as number': (i) => {
    rewound();
    writer.long(0x100000000 + i);
  },
  'encode a long given as bigint': () => {
    rewound();
    writer.long(0x100003cdd190000n);
  },
};

const best = new Map();
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, run] of Object.entries(cases)) {
    record(name, OPERATIONS, () => {
      for (let i = 0; i < OPERATIONS; i++) {
        run(i);
      }
    });
  }
  record('cut 1000 frames, per frame', OPERATIONS, () => {
    for (let i = 0; i < OPERATIONS / 1000; i++) {
      frames.push(stream, onFrame);
    }
  });
}

function onFrame(_bytes, start, end) {
  sink += end - start;
  return true;
}

function record(name, operations, run) {
  const startedNs = process.hrtime.bigint();
  run();
  const ns = Number(process.hrtime.bigint() - startedNs) / operations;
  best.set(name, Math.min(best.get(name) ?? Number.POSITIVE_INFINITY, ns));
}

for (const [name, ns] of best) {
  console.log(`${name.padEnd(40)} ${ns.toFixed(1).padStart(8)} ns`);
}
console.log(`${process.version} ${process.arch}, ${ROUNDS} rounds of ${OPERATIONS}, checksum ${sink % 1000}`);
