/**
 * What Zab promises, once more, as a program: the properties of the paper (Junqueira, Reed, Serafini: Zab,
 * high-performance broadcast for primary-backup systems, 2011) by their names there, and what must hold for them to
 * hold. A chronicle remembers what has ever been delivered, and by whom which epoch was led; each step of an ensemble
 * is held against it.
 */
import { counterOf, epochOf, zxidHex } from '@treekeeper/protocol';
import { check } from '../checkers/violation.ts';
import type { DiskState, Transaction } from './disk.ts';
import { knownHistoryOn } from './locals.ts';
import type { Happening } from './machine.ts';

/** What has happened so far, as far as the properties ask for it. Never changed in place. */
export interface Chronicle {
  /** By anybody, in order. */
  readonly delivered: readonly Transaction[];
  /** Who was the established leader of which epoch. */
  readonly leaders: ReadonlyMap<number, number>;
  readonly broadcast: ReadonlyMap<number, string>;
}

export const NOTHING_YET: Chronicle = { delivered: [], leaders: new Map(), broadcast: new Map() };

const keys = new WeakMap<Chronicle, string>();

/** Names the chronicle: two that are alike have the same. */
export function chronicleKey(chronicle: Chronicle): string {
  let key = keys.get(chronicle);
  if (key === undefined) {
    const { delivered, leaders, broadcast } = chronicle;
    key = `${delivered.map(({ zxid }) => zxid)} ${[...leaders]} ${[...broadcast]}`;
    keys.set(chronicle, key);
  }
  return key;
}

/** Something has happened at a server. Throws Violation; else returns the chronicle with it. */
export function chronicled(
  before: Chronicle,
  serverId: number,
  happening: Happening,
  disks: readonly DiskState[],
): Chronicle {
  const { kind, history } = happening;
  if (kind === 'leads') {
    return established(before, serverId, happening.epoch, history, disks);
  }
  if (kind === 'proposes') {
    return broadcast(before, serverId, happening.transaction, history);
  }
  const isNew = history.length > before.delivered.length;
  checkOrder(before, serverId, isNew ? history.slice(0, -1) : history);
  if (kind === 'follows') {
    check(!isNew, 'agreement', () => `server ${serverId} is in step with more than was ever delivered`);
    return before;
  }
  return isNew ? deliveredFirst(before, serverId, happening.isLeader, history, disks) : before;
}

/** One leader to an epoch; and it begins with everything that was ever delivered. */
function established(
  before: Chronicle,
  serverId: number,
  epoch: number,
  history: readonly Transaction[],
  disks: readonly DiskState[],
): Chronicle {
  const other = before.leaders.get(epoch);
  check(other === undefined, 'one leader', () => `epoch ${epoch} is led by server ${other}, and by ${serverId}`);
  const disk = disks[serverId - 1];
  check(disk.currentEpoch === epoch, 'epochs', () => `server ${serverId} leads ${epoch}, which is not on its disk`);
  for (const [i, { zxid, text }] of before.delivered.entries()) {
    const isThere = history[i]?.zxid === zxid && history[i].text === text;
    check(isThere, 'primary integrity', () => `${zxidHex(zxid)} was delivered, and the leader of ${epoch} lacks it`);
  }
  for (const { zxid } of history) {
    checkHeld(zxid, disks); // whatever it begins with counts as delivered
  }
  return { ...before, delivered: history, leaders: new Map([...before.leaders, [epoch, serverId]]) };
}

/** Before it broadcasts, a leader has delivered all that is delivered of earlier ones. */
function broadcast(
  before: Chronicle,
  serverId: number,
  { zxid, text }: Transaction,
  history: readonly Transaction[],
): Chronicle {
  check(!before.broadcast.has(zxid), 'integrity', () => `${zxidHex(zxid)} is broadcast for the second time`);
  const own = new Set(history.map((one) => one.zxid));
  const missing = before.delivered.find((one) => epochOf(one.zxid) < epochOf(zxid) && !own.has(one.zxid));
  check(
    missing === undefined,
    'primary integrity',
    () => `server ${serverId} broadcasts ${zxidHex(zxid)} without ${zxidHex(missing?.zxid ?? 0)}`,
  );
  return { ...before, broadcast: new Map([...before.broadcast, [zxid, text]]) };
}

/** Who delivers, delivers what others have delivered, in the same order. */
function checkOrder({ delivered }: Chronicle, serverId: number, history: readonly Transaction[]): void {
  for (const [i, { zxid, text }] of history.entries()) {
    const isSame = delivered[i]?.zxid === zxid && delivered[i].text === text;
    const other = delivered[i]?.zxid ?? 0;
    check(
      isSame,
      'total order',
      () => `number ${i} is ${zxidHex(zxid)} at server ${serverId}, elsewhere ${zxidHex(other)}`,
    );
  }
}

/** The first to deliver something is its leader, and a quorum has it on disk. */
function deliveredFirst(
  before: Chronicle,
  serverId: number,
  isLeader: boolean,
  history: readonly Transaction[],
  disks: readonly DiskState[],
): Chronicle {
  const { zxid, text } = history[history.length - 1];
  const last = history.at(-2)?.zxid ?? 0;
  const name = zxidHex(zxid);
  check(isLeader, 'agreement', () => `server ${serverId} delivers ${name} before any leader`);
  check(before.broadcast.get(zxid) === text, 'integrity', () => `${name} is delivered, and was not broadcast so`);
  const isNext = epochOf(zxid) === epochOf(last) ? zxid === last + 1 : counterOf(zxid) === 1;
  check(isNext, 'local primary order', () => `${name} is delivered after ${zxidHex(last)}`);
  check(epochOf(zxid) >= epochOf(last), 'global primary order', () => `${name} is delivered after ${zxidHex(last)}`);
  const newest = Math.max(...before.leaders.keys());
  check(
    newest === epochOf(zxid),
    'primary integrity',
    () => `${name} is delivered, and epoch ${newest} began without it`,
  );
  checkHeld(zxid, disks);
  return { ...before, delivered: history };
}

function checkHeld(zxid: number, disks: readonly DiskState[]): void {
  const holding = disks.filter((disk) => knownHistoryOn(disk).some((one) => one.zxid === zxid)).length;
  check(holding > disks.length / 2, 'durability', () => `${zxidHex(zxid)} is delivered, and on ${holding} disks only`);
}

/** What must hold in every state, whatever has happened. */
export function checkDisks({ delivered, broadcast }: Chronicle, disks: readonly DiskState[]): void {
  for (const { zxid } of delivered) {
    checkHeld(zxid, disks);
  }
  for (const [i, disk] of disks.entries()) {
    const { acceptedEpoch, currentEpoch } = disk;
    check(currentEpoch <= acceptedEpoch, 'epochs', () => `server ${i + 1}: ${currentEpoch} above ${acceptedEpoch}`);
    let last = 0;
    for (const { zxid, text } of knownHistoryOn(disk)) {
      const isNext = epochOf(zxid) === epochOf(last) ? zxid === last + 1 : zxid > last && counterOf(zxid) === 1;
      check(isNext, 'total order', () => `server ${i + 1} has ${zxidHex(zxid)} behind ${zxidHex(last)} in its log`);
      check(broadcast.get(zxid) === text, 'integrity', () => `server ${i + 1} has logged ${zxidHex(zxid)} otherwise`);
      last = zxid;
    }
  }
}

/** A step of a server's disk: promises are not taken back. */
export function checkStep(serverId: number, before: DiskState, after: DiskState): void {
  const isRising = after.acceptedEpoch >= before.acceptedEpoch && after.currentEpoch >= before.currentEpoch;
  check(isRising, 'epochs', () => `those of server ${serverId} fall`);
}
