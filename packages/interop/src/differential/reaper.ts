import { setTimeout as sleep } from 'node:timers/promises';
import { CreateMode, OpCode } from '@treekeeper/protocol';
import { createBody, openAcl, setDataBody, versionBody, watchedBody, watchKindBody } from '../bodies.ts';
import { fourLetterWord } from '../raw-client.ts';
import type { Server } from '../servers.ts';
import { Pair, UnexpectedDifference } from './pair.ts';
import type { Request } from './requests.ts';

/** How often the servers look for what is due, ms. */
export const REAPER_INTERVAL_MS = 100;
const TTL_MS = 400n;
const POLLS_MAX = 400;

const container = (path: string): Request => ({
  opcode: OpCode.createContainer,
  body: createBody(path, null, openAcl, CreateMode.container),
});
const perishable = (path: string, flags: number = CreateMode.persistentWithTtl): Request => ({
  opcode: OpCode.createTTL,
  body: createBody(path, Buffer.from('t'), openAcl, flags, TTL_MS),
});
const plainNode = (path: string): Request => ({ opcode: OpCode.create, body: createBody(path, null) });
const deletion = (path: string): Request => ({ opcode: OpCode.delete, body: versionBody(path, -1) });
const touch = (path: string): Request => ({ opcode: OpCode.setData, body: setDataBody(path, Buffer.from('again')) });
const look = (path: string): Request => ({ opcode: OpCode.exists, body: watchedBody(path, true) });

/** What is asked, then how many nodes must be left when the server has removed what is due. */
const acts: readonly (readonly [requests: readonly Request[], nodesLeft: number])[] = [
  [[container('/c'), plainNode('/c/x'), look('/c'), deletion('/c/x')], 0],
  // The child is a container itself; with it goes the last child of the parent.
  [[container('/p'), container('/p/c'), plainNode('/p/c/x'), look('/p/c'), deletion('/p/c/x')], 0],
  [[perishable('/t'), look('/t')], 0],
  [[perishable('/s-', CreateMode.persistentSequentialWithTtl)], 0],
  // Its time counts from the last setData.
  [[perishable('/w'), look('/w'), touch('/w'), look('/w')], 0],
  // A child keeps it.
  [[perishable('/k'), plainNode('/k/x'), look('/k')], 2],
  [[deletion('/k/x')], 0],
  [[container('/e')], 1],
  [[plainNode('/e/x'), plainNode('/e/y'), deletion('/e/x')], 2],
  [[deletion('/e/y')], 0],
];

/** Containers and TTL nodes: both servers remove the same, with the same zxids and events. */
export async function compareReapers(a: Server, b: Server): Promise<Pair> {
  const pair = new Pair({ a: a.port, b: b.port }, 2, false);
  for (const slot of pair.slots) {
    await pair.connect(slot, { resume: false, readOnly: false });
  }
  const [actor, watcher] = pair.slots;
  await pair.requests(watcher, [{ opcode: OpCode.addWatch, body: watchKindBody('/', 1) }]);
  for (const [requests, nodesLeft] of acts) {
    for (const request of requests) {
      await pair.requests(actor, [request]);
    }
    // Longer than a look for what is due and the time to live, so that what must stay has had its chance to go.
    await sleep(Number(TTL_MS) + 4 * REAPER_INTERVAL_MS);
    await Promise.all([a, b].map((server) => untilNodesLeft(server, nodesLeft)));
    await pair.fence(null, false);
  }
  return pair;
}

async function untilNodesLeft(server: Server, count: number): Promise<void> {
  // An empty tree counts five.
  const wanted = `Node count: ${count + 5}\n`;
  let answer = '';
  for (let i = 0; i < POLLS_MAX; i++) {
    answer = await fourLetterWord(server.port, 'srvr');
    if (answer.includes(wanted)) {
      return;
    }
    await sleep(25);
  }
  throw new UnexpectedDifference('reaper', `${wanted} never came on the ${server.flavour} server:\n${answer}`);
}
