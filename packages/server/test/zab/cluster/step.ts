/** What quorum-protocol.md §14 demands of one server whatever happens: looked at after each of its turns. */
import { zxidHex } from '@treekeeper/protocol';
import { follows } from '../../../src/zab/committed-log.ts';
import type { Server } from './server.ts';

type Expect = (fact: boolean, what: string) => void;

export function checkStep(server: Server, expect: Expect): void {
  const { serverId, peer, database, isServing } = server;
  const applied = zxidHex(database.lastZxid);
  const learner = peer.learner?.phase ?? 'following';
  expect(learner === 'following' || !isServing, `20: server ${serverId} takes clients while it is ${learner}`);
  if (isServing) {
    const logged = zxidHex(database.loggedThrough);
    expect(database.lastZxid <= database.loggedThrough, `16: server ${serverId} shows ${applied}, and logs ${logged}`);
    checkWindow(server, expect);
  } else if (peer.phase === 'looking') {
    expect(isWhatIsDurable(server), `20: server ${serverId} votes with ${applied}, which is not what its disk has`);
  }
}

/** The window has no hole, and ends where what was delivered ends. */
function checkWindow({ serverId, peer, database }: Server, expect: Expect): void {
  const { window } = peer;
  let last = window.base;
  const zxids = window.after(last).map(({ zxid }) => zxid);
  for (const zxid of zxids) {
    expect(follows(last, zxid), `18: the window of server ${serverId} has ${zxidHex(zxid)} behind ${zxidHex(last)}`);
    last = zxid;
  }
  const delivered = zxids.length === 0 ? [] : database.history().slice(-zxids.length);
  const isEnd = zxids.every((zxid, i) => zxid === delivered[i]) && last === database.lastZxid;
  expect(isEnd, `18: the window of server ${serverId} ends with ${zxidHex(last)}, which is not the end of its history`);
}

/** Memory has what would be there after a crash. */
export function isWhatIsDurable({ database, disk }: Server): boolean {
  const { zxid, state } = disk.recover();
  return database.lastZxid === zxid && database.state.size === state.size;
}
