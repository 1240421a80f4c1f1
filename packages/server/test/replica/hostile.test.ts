/** Whatever a client sends, the server answers or closes; it never falls, and others never notice. */
import { JuteWriter, OpCode } from '@treekeeper/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addWatch,
  auth,
  check,
  checkWatches,
  create,
  create2,
  createContainer,
  createTTL,
  exists,
  getACL,
  getAllChildrenNumber,
  getChildren,
  getChildren2,
  getData,
  getEphemerals,
  multi,
  multiRead,
  type Request,
  reconfig,
  remove,
  removeWatches,
  setACL,
  setData,
  setWatches,
  setWatches2,
  sync,
} from './requests.ts';
import { bytesOf, digestAcl, frame, TestServer, worldAcl } from './support.ts';

const QUOTA = '/zookeeper/quota/a';
const samples: Request[] = [
  create('/a', { data: 'x' }),
  create2('/a/b', { flags: 3, acl: [worldAcl(31), digestAcl('u:x')] }),
  createContainer('/c'),
  createTTL('/t', 1000n),
  create(`${QUOTA}/zookeeper_limits`, { data: 'count=1,bytes=2=;byteHardLimit=3' }),
  create(`${QUOTA}/zookeeper_stats`),
  remove('/a'),
  setData('/a', 'yy', 0),
  setACL('/a', [worldAcl(1)]),
  exists('/a', true),
  getData('/a', true),
  getACL('/a'),
  getChildren('/', true),
  getChildren2('/'),
  getAllChildrenNumber('/'),
  getEphemerals('/a'),
  sync('/'),
  reconfig(),
  auth('digest', 'u:p'),
  addWatch('/', 1),
  checkWatches('/', 3),
  removeWatches('/', 3),
  setWatches(0, { data: ['/a'], exist: ['/b'], child: ['/'] }),
  setWatches2(0, { data: ['/a'], persistent: ['/'], recursive: ['/'] }),
  multi(create('/m'), setData('/m', 'x'), check('/m', 1), remove('/m')),
  multiRead(getData('/'), getChildren('/')),
];
const opcodes = [...Object.values(OpCode), 77];

const payload = (opcode: number, body: Uint8Array): Buffer =>
  bytesOf((writer) => {
    writer.int(1);
    writer.int(opcode);
    writer.raw(body);
  });

/** A request with some of its bytes changed, and its end cut off or made longer. */
const damaged = fc
  .tuple(
    fc.constantFrom(...samples),
    fc.array(fc.tuple(fc.nat(200), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x2f)), { maxLength: 4 }),
    fc.integer({ min: -20, max: 20 }),
  )
  .map(([request, changes, longer]) => {
    const writer = new JuteWriter();
    request.encode(writer);
    const body = Buffer.alloc(Math.max(0, writer.length + longer));
    Buffer.from(writer.copy()).copy(body);
    for (const [at, byte] of changes) {
      if (at < body.length) {
        body[at] = byte;
      }
    }
    return payload(request.opcode, body);
  });
const random = fc
  .tuple(fc.constantFrom(...opcodes), fc.uint8Array({ maxLength: 60 }))
  .map(([opcode, body]) => payload(opcode, body));

test('any bytes in any request', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 4, arbitrary: damaged }, random), { minLength: 1, maxLength: 30 }),
      (all) => {
        const server = new TestServer();
        const bystander = server.client({ timeoutMs: 40_000 });
        bystander.get(create('/bystander', { flags: 1 }));
        let client = server.client();
        for (const one of all) {
          if (client.closed) {
            client = server.client();
          }
          client.wire.sendBytes(frame(one));
          server.settle();
          client.lines();
        }
        server.restart(); // and what it has logged can be read
        expect(bystander.resume().err(exists('/bystander'))).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
}, 60_000);

test('any bytes in place of a handshake', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 80 }), { maxLength: 4 }),
      fc.boolean(),
      (chunks, framed) => {
        const server = new TestServer();
        const client = server.connect();
        for (const chunk of chunks) {
          client.wire.sendBytes(framed ? frame(chunk) : chunk);
          server.settle();
        }
        expect(server.client().err(exists('/'))).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
}, 60_000);
