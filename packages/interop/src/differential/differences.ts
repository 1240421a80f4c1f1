/**
 * Where Treekeeper answers otherwise than Apache ZooKeeper 3.8.0 on purpose: the only differences that the test lets
 * pass. docs/reference/differences.md is made from this table.
 */
import { CREATE_MODE_MAX, ErrorNumber, OpCode, type WatchesRequest } from '@treekeeper/protocol';
import { emptyBody } from '../bodies.ts';
import { plain } from '../plain.ts';
import type { Item, ReplyItem, Side } from './answers.ts';
import { decodeRequest, type Request } from './requests.ts';

/** Two answers that are not the same. */
export interface Disagreement {
  readonly request: Request | null;
  readonly a: Item;
  readonly b: Item;
  readonly sideA: Side;
  readonly sideB: Side;
  /** The zxid of B's last reply on this connection before, as B counts: events are younger. */
  readonly seenByB: bigint;
}

export interface Difference {
  readonly id: string;
  readonly what: string;
  readonly apache: string;
  readonly treekeeper: string;
  readonly reason: string;
  /** How the differential test deals with it when it does not let it pass: the requests that would show it stay out. */
  readonly avoided?: string;
  readonly allows?: (disagreement: Disagreement) => boolean;
}

const writes = new Set<number>([
  OpCode.create,
  OpCode.create2,
  OpCode.createContainer,
  OpCode.createTTL,
  OpCode.delete,
  OpCode.setData,
  OpCode.setACL,
  OpCode.reconfig,
]);
const { MARSHALLING_ERROR, NO_AUTH, NO_NODE, NO_WATCHER, INVALID_ACL, BAD_VERSION } = ErrorNumber;

/** Both are replies to this opcode, and alike but for err, body and what `but` names. */
function replies(disagreement: Disagreement, opcode: number | null): [ReplyItem, ReplyItem] | null {
  const { a, b, request } = disagreement;
  if (a.kind !== 'reply' || b.kind !== 'reply' || request === null || (opcode !== null && request.opcode !== opcode)) {
    return null;
  }
  return a.xid === b.xid ? [a, b] : null;
}

function kindOf(request: Request): number {
  return (decoded(request.opcode, request.body) as WatchesRequest | null)?.type ?? 0;
}

/** The request as it decodes, or null when it does not. */
function decoded(opcode: number, body: Uint8Array): unknown {
  try {
    return decodeRequest(opcode, body);
  } catch {
    return null;
  }
}

export const differences: readonly Difference[] = [
  {
    id: 'event-zxid',
    what: 'The zxid in the header of a live watch event',
    apache: '−1',
    treekeeper: 'the zxid of the transaction that fired the watch',
    reason: 'ZooKeeper has sent it since 3.9.0; clients that do not know it ignore it.',
    allows: ({ a, b, sideB, seenByB }) => {
      if (a.kind !== 'event' || b.kind !== 'event' || a.zxid !== -1n) {
        return false;
      }
      const isOfItsTime = b.zxid > sideB.canonicalZxid(seenByB) && b.zxid <= sideB.canonicalZxid(sideB.maxZxid);
      return isOfItsTime && plain({ ...b, zxid: -1n }) === plain(a);
    },
  },
  {
    id: 'undecodable-write',
    what: 'The zxid of a write whose body does not decode (error −5)',
    apache: 'a fresh zxid, used up by an error transaction',
    treekeeper: 'the last zxid that was assigned; nothing is logged',
    reason: 'As ZooKeeper 3.10. Bytes that mean nothing leave no trace.',
    allows: (disagreement) => {
      const pair = replies(disagreement, null);
      if (pair === null || !writes.has((disagreement.request as Request).opcode)) {
        return false;
      }
      const [a, b] = pair;
      if (a.err !== MARSHALLING_ERROR || b.err !== MARSHALLING_ERROR || a.zxid !== b.zxid + 1n) {
        return false;
      }
      disagreement.sideA.addExtraZxid(disagreement.sideA.maxZxid);
      return true;
    },
  },
  {
    id: 'exists-permission',
    what: 'exists on a node that the caller may not read',
    apache: 'the Stat, whoever asks',
    treekeeper: 'error −102 (no permission), and no watch is set',
    reason: 'ZooKeeper checks READ since 3.9.2: a Stat tells size, times and owner of a node.',
    allows: (disagreement) => {
      const pair = replies(disagreement, OpCode.exists);
      return pair !== null && pair[0].err === 0 && pair[1].err === NO_AUTH && pair[0].zxid === pair[1].zxid;
    },
  },
  {
    id: 'multi-create2',
    what: 'The result of create2 inside a multi',
    apache: 'type 1 (create), the path alone',
    treekeeper: 'type 15 (create2), path and Stat',
    reason: 'As ZooKeeper 3.10; the older answer drops what was asked for.',
    allows: (disagreement) => {
      const pair = replies(disagreement, OpCode.multi);
      return (
        pair !== null && plain(pair[0]) === plain({ ...pair[1], body: withoutCreate2(pair[1].body, pair[0].body) })
      );
    },
  },
  {
    id: 'multi-bad-flags',
    what: 'A create inside a multi with flags that are no create mode',
    apache: 'that operation fails with −8',
    treekeeper: 'the whole multi fails with −5',
    reason: 'As ZooKeeper 3.10.',
    allows: (disagreement) => {
      const pair = replies(disagreement, OpCode.multi);
      const body = disagreement.request?.body ?? Buffer.alloc(0);
      return pair?.[1].err === MARSHALLING_ERROR && pair[0].zxid === pair[1].zxid && hasBadFlags(body);
    },
  },
  {
    id: 'watch-types-4-5',
    what: 'checkWatches and removeWatches with the types 4 (persistent) and 5 (persistent recursive)',
    apache: 'error −5',
    treekeeper: 'looks for, or removes, just that kind of watch',
    reason: 'ZooKeeper knows these types since 3.9.0.',
    allows: (disagreement) => {
      const pair = replies(disagreement, null);
      const { request } = disagreement;
      const opcode = request?.opcode;
      if (pair === null || request === null || (opcode !== OpCode.checkWatches && opcode !== OpCode.removeWatches)) {
        return false;
      }
      const kind = kindOf(request);
      // A removal that succeeds would change B alone, so that the sequences must not contain it.
      const answer = pair[1].err === NO_WATCHER || (opcode === OpCode.checkWatches && pair[1].err === 0);
      return (kind === 4 || kind === 5) && pair[0].err === MARSHALLING_ERROR && answer && pair[0].zxid === pair[1].zxid;
    },
  },
  {
    id: 'check-watches',
    what: 'checkWatches where only another connection watches the path, or (types 1 and 2) this one with a persistent watch',
    apache: 'finds a watch; a relative path is now and then error −5',
    treekeeper: 'error −121: the connection has no such watch',
    reason: 'The question is about the own watches; kinds are independent of each other since ZooKeeper 3.9.0.',
    allows: (disagreement) => {
      const pair = replies(disagreement, OpCode.checkWatches);
      const err = pair?.[0].err;
      return (err === 0 || err === MARSHALLING_ERROR) && pair?.[1].err === NO_WATCHER && pair[0].zxid === pair[1].zxid;
    },
  },
  {
    id: 'check-watches-of-relative-path',
    what: 'checkWatches for a path that does not begin with a slash (also ""), which this connection does watch',
    apache: 'error −5 or −121 while anybody has a recursive watch: its walk over the parents of a path stumbles',
    treekeeper: 'finds the watch',
    reason: 'The watch is there, and other clients’ watches do not change that.',
    allows: (disagreement) => {
      const pair = replies(disagreement, OpCode.checkWatches);
      const path = (decoded(OpCode.checkWatches, disagreement.request?.body ?? emptyBody) as WatchesRequest | null)
        ?.path;
      const isBlind = pair?.[0].err === NO_WATCHER || pair?.[0].err === MARSHALLING_ERROR;
      return isBlind && pair[1].err === 0 && path?.startsWith('/') === false;
    },
  },
  {
    id: 'multi-read-broken-off',
    what: 'A multiRead that fails as a whole (error −5) because of an operation that does not belong there',
    apache: 'an empty list of results behind the error',
    treekeeper: 'the error alone',
    reason: 'Clients read nothing behind an error.',
    allows: (disagreement) => {
      const pair = replies(disagreement, OpCode.multiRead);
      return (
        pair?.[0].err === MARSHALLING_ERROR &&
        pair[1].body === null &&
        plain({ ...pair[0], body: null }) === plain(pair[1])
      );
    },
  },
  {
    id: 'descendants-of-empty-path',
    what: 'getAllChildrenNumber of "", an alias of the root',
    apache: 'one more than for "/": the root counts as its own descendant',
    treekeeper: 'the same as for "/"',
    reason: 'Two names of one node have the same number of descendants.',
    allows: (disagreement) => {
      const pair = replies(disagreement, OpCode.getAllChildrenNumber);
      const [a, b] = (pair ?? []).map(
        ({ body }) => (body as { totalNumber?: number } | null)?.totalNumber ?? Number.NaN,
      );
      return a === b + 1 && disagreement.request?.body.equals(Buffer.alloc(4)) === true;
    },
  },
  {
    id: 'ipv6-acl',
    what: 'An ACL entry of scheme ip with an IPv6 address',
    apache: 'error −114',
    treekeeper: 'is valid',
    reason: 'ZooKeeper accepts it since 3.9.4.',
    allows: (disagreement) => {
      const pair = replies(disagreement, OpCode.setACL);
      const later = pair !== null && [NO_NODE, NO_AUTH, BAD_VERSION].includes(pair[1].err);
      return later && pair[0].err === INVALID_ACL && disagreement.request?.body.includes(':') === true;
    },
  },
  {
    id: 'supplementary-characters',
    what: 'Text with characters above U+FFFF that the server sends back (sync, events for paths no node can have)',
    apache: 'each half of the surrogate pair in three bytes, which is not UTF-8',
    treekeeper: 'UTF-8',
    reason: 'No strict reader takes back what Apache writes.',
    allows: ({ a, b }) => {
      const asRead = a.kind === 'reply' ? { ...a, body: (a.body as { value?: unknown } | null)?.value } : a;
      const told = plain(b);
      const halves = told.replaceAll(/[\ud800-\udbff][\udc00-\udfff]/g, '\ufffd'.repeat(2));
      return halves !== told && plain(asRead) === halves;
    },
  },
  {
    id: 'watch-kinds',
    what: 'Several kinds of watches of one connection on one path',
    apache: 'one mode per path: the last one set replaces the others',
    treekeeper: 'standard, persistent and recursive watches are kept side by side',
    reason: 'As ZooKeeper since 3.9.0.',
    avoided: 'each path has one kind of watch per connection',
  },
  {
    id: 'multi-nulls',
    what: 'A multi with an operation whose path is null, or whose ACL has a null id',
    apache:
      'a null path: error −5 with the zxid of the transaction before, a list of results behind the error, and a zxid used up ' +
      'for nothing; a null id: found out only when its turn comes',
    treekeeper: 'error −5, as for any request that does not decode',
    reason: 'Nothing in it can be carried out.',
    avoided: 'no nulls inside a multi',
  },
  {
    id: 'multi-mode-mismatch',
    what: 'A multi with a create whose type and flags do not belong together',
    apache:
      'the flags decide what is made: type 19 with flags 0 is a plain create; a TTL mode in a type without ttl is −5',
    treekeeper: 'the type decides, as outside a multi',
    reason: 'One request means one thing, in a multi and outside.',
    avoided: 'types and flags agree inside a multi, but for container flags in a plain create',
  },
  {
    id: 'null-path-watch',
    what: 'addWatch with a null path',
    apache: 'is accepted, and may keep the server from ever closing that connection again',
    treekeeper: 'is accepted',
    reason: 'A connection can always be closed.',
    avoided: 'addWatch always has a path',
  },
  {
    id: 'set-watches-null-list',
    what: 'setWatches and setWatches2 with a null list behind others (error −5)',
    apache: 'the watches of the lists before it are set, and their events sent',
    treekeeper: 'nothing is done',
    reason: 'A request that is refused has done nothing.',
    avoided: 'no null list but the first',
  },
  {
    id: 'check-outside-multi',
    what: 'check (opcode 13) outside a multi',
    apache: 'no reply at all',
    treekeeper: 'error −6, and the connection is closed, as for any unknown request',
    reason: 'ZooKeeper since 3.9.3. A client that gets no reply hangs.',
    avoided: 'never sent alone',
  },
  {
    id: 'delete-container-by-client',
    what: 'deleteContainer (opcode 20) sent by a client',
    apache: 'deletes any childless node that is not ephemeral, past every ACL',
    treekeeper: 'refused; the server alone deletes containers',
    reason: 'It is a hole: the operation is internal and checks no permission.',
    avoided: 'sent to Treekeeper alone, by the fuzzer',
  },
  {
    id: 'create-session-by-client',
    what: 'createSession (opcode −10) sent by a client',
    apache: 'runs, and is answered by the answer to a handshake in place of a reply',
    treekeeper: 'error −6, and the connection is closed, as for any unknown request',
    reason: 'The operation is internal, and the answer would break the framing of the connection.',
    avoided: 'sent to Treekeeper alone, by the fuzzer',
  },
  {
    id: 'killers',
    what:
      'Three well-formed writes: createTTL with flags of another mode and a negative time to live; a zookeeper_limits node ' +
      'directly below /zookeeper/quota; text that is no quota in a zookeeper_stats node',
    apache: 'the server process ends',
    treekeeper: 'error −8 for the first two; statistics are computed anew over the third',
    reason: 'No client may stop a server.',
    avoided: 'sent to Treekeeper alone, by the fuzzer',
  },
  {
    id: 'pipelined-set-acl',
    what: 'The list by which a write is judged that was sent right behind a setACL, before its reply',
    apache: 'the old one or the new one, depending on how far the setACL has come',
    treekeeper: 'the new one',
    reason: 'The writes of a session take effect in the order in which they were sent.',
    avoided: 'setACL is never in the middle of a pipeline',
  },
  {
    id: 'sasl-null-token',
    what: 'A sasl request (opcode 102) with a null token, where no SASL is configured',
    apache: 'the connection is closed without a reply',
    treekeeper: 'answered as any other token: err 0, null token',
    reason: 'Nothing is wrong with the connection, and replies to other requests would be lost.',
    avoided: 'tokens are never null',
  },
  {
    id: 'quota-totals',
    what: 'The totals in a zookeeper_stats node after a restart, or after its limits were gone for a while',
    apache:
      'may be wrong: computed from the snapshot, then counted on while the log is replayed over it; nothing is counted ' +
      'while there are no limits',
    treekeeper: 'always those of the tree',
    reason: 'A wrong total refuses writes that the quota allows, or allows those that it refuses.',
    avoided: 'quotas are removed before each restart, limits and statistics together',
  },
  {
    id: 'counters',
    what: 'zk_watch_count and zk_approximate_data_size in mntr; sessions in wchs, wchc and dump',
    apache:
      'a recursive watch counts twice; quota statistics that have grown are not counted; sessions whose last watch or ' +
      'ephemeral was removed are still counted and named',
    treekeeper: 'every watch once; the tree as it is; sessions that have some',
    reason: 'As ZooKeeper 3.10 for the first; a figure that drifts is of no use.',
    avoided: 'not compared',
  },
  {
    id: 'version-wrap',
    what: 'The version of a node that has been set 2³² − 1 times',
    apache: '−1',
    treekeeper: 'passes from −2 to 0',
    reason: 'As ZooKeeper 3.10: −1 means "any version" in requests.',
    avoided: 'takes too long to reach',
  },
  {
    id: 'unused-containers',
    what: 'A container that never had a child',
    apache: 'stays for ever',
    treekeeper: 'is removed after five minutes (znode.container.maxNeverUsedIntervalMs)',
    reason: 'As ZooKeeper 3.10.',
    avoided: 'the runs are shorter',
  },
  {
    id: 'read-only-sessions',
    what: 'A client that may read from a server without a quorum (readonlymode.enabled), where localSessionsEnabled is off',
    apache:
      'is answered by 16 bytes that are no answer to a handshake (error −119), and gets no session (3.7 and later)',
    treekeeper: 'gets a session that belongs to this server alone, as with localSessionsEnabled',
    reason: 'Clients take those bytes for garbage; the switch is for sessions of an ensemble that has a quorum.',
    avoided: 'a single server always has a quorum',
  },
  {
    id: 'read-only-unknown-session',
    what: 'A client that comes to a server without a quorum (readonlymode.enabled) with a session which that server does not know',
    apache: 'is told that its session is gone, with localSessionsEnabled',
    treekeeper: 'is closed without an answer, like with a session of the ensemble, and tries the next server',
    reason:
      'A server that was cut off before the session began knows nothing of it, and the quorum keeps it: told otherwise, the client would give up its locks.',
    avoided: 'a single server always has a quorum',
  },
];

function hasBadFlags(multi: Buffer): boolean {
  const ops = decoded(OpCode.multi, multi) as { op: { flags?: number } }[] | null;
  return ops?.some(({ op: { flags = 0 } }) => flags < 0 || flags > CREATE_MODE_MAX) === true;
}

interface MultiResults {
  readonly results?: readonly { type: number; err: number; result: { path: string } }[];
}

/** B's results of a multi, where A answered create (the path alone) cut down to that. */
function withoutCreate2(bodyB: unknown, bodyA: unknown): unknown {
  const ofA = (bodyA as MultiResults | null)?.results;
  const ofB = (bodyB as MultiResults | null)?.results;
  if (ofA === undefined || ofB === undefined) {
    return bodyB;
  }
  return {
    results: ofB.map((entry, index) =>
      entry.type === OpCode.create2 && ofA[index]?.type === OpCode.create
        ? { type: OpCode.create, err: entry.err, result: { path: entry.result.path } }
        : entry,
    ),
  };
}
