/** What can be done to an ensemble. Each fault is undone by itself; what it chooses comes from the seed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.ts';
import { type Cluster, within } from './cluster.ts';
import { damages } from './damage.ts';
import type { Member } from './member.ts';

const SHORT_MS = [200, 1500] as const;
const LONG_MS = [2000, 8000] as const;
const SERVING_MS_MAX = 240_000;
const FLAPS_MAX = 8;
const ALTERED = 'altered snapshot';
const CLOCK_SECONDS = [-86_400, -3600, -60, -5, 5, 60, 3600, 86_400];

export interface Scene {
  readonly cluster: Cluster;
  readonly random: Random;
  readonly sessionTimeoutMs: number;
  tell(text: string): void;
}

export interface Fault {
  readonly name: string;
  readonly weight: number;
  /** Nothing else may fail meanwhile: a copy that others count on is taken away. */
  readonly needsOthers: boolean;
  run(scene: Scene): Promise<void>;
}

export const faults: readonly Fault[] = [
  fault('kill leader', 10, async (scene) => kill(scene, [await leader(scene)])),
  fault('kill follower', 6, async (scene) => kill(scene, [await follower(scene)])),
  fault('kill most', 4, async (scene) => kill(scene, await majority(scene))),
  fault('kill all', 5, (scene) => kill(scene, scene.cluster.members)),
  fault('kill while it recovers', 4, killAgain),
  fault('stop leader for a moment', 4, async (scene) => stop(scene, [await leader(scene)], SHORT_MS)),
  fault('stop leader', 5, async (scene) => stop(scene, [await leader(scene)], beyondTimeout(scene))),
  fault('stop follower', 4, async (scene) => stop(scene, [await follower(scene)], beyondTimeout(scene))),
  fault('stop all', 3, (scene) => stop(scene, scene.cluster.members, beyondTimeout(scene))),
  fault('leader alone', 6, async (scene) => alone(scene, await leader(scene), 'both')),
  fault('follower alone', 4, async (scene) => alone(scene, await follower(scene), 'both')),
  fault('leader deaf', 4, async (scene) => alone(scene, await leader(scene), 'in')),
  fault('leader mute', 4, async (scene) => alone(scene, await leader(scene), 'out')),
  fault('follower deaf', 3, async (scene) => alone(scene, await follower(scene), 'in')),
  fault('one link', 4, oneLink),
  fault('split', 4, split),
  fault('flapping', 4, flap),
  fault('slow server', 4, (scene) => slow(scene, [scene.random.pick(scene.cluster.members)])),
  fault('slow network', 3, (scene) => slow(scene, scene.cluster.members)),
  fault('restart all', 3, restartAll),
  fault('rolling restart', 3, rollingRestart),
  fault('hand-over', 5, handOver),
  fault('clock', 4, setClock),
  fault('full disk', 4, fillDisk),
  { name: 'wiped', weight: 4, needsOthers: true, run: (scene) => without(scene, wipe) },
  { name: 'damaged files', weight: 6, needsOthers: true, run: (scene) => without(scene, damage) },
  { name: ALTERED, weight: 3, needsOthers: true, run: (scene) => without(scene, alter) },
];

/** Those of the given names, or all, which can be done to this ensemble. */
export function possibleFaults({ members, flavour }: Cluster, names: readonly string[]): readonly Fault[] {
  // Apache ZooKeeper warns that its digest is another one, and goes on: all that comes later would only say that again.
  const isChosen = (name: string): boolean => {
    return names.length === 0 ? name !== ALTERED || flavour === 'treekeeper' : names.includes(name);
  };
  return faults.filter(({ name, run }) => isChosen(name) && (run !== setClock || members[0].clockFile !== null));
}

function fault(name: string, weight: number, run: (scene: Scene) => Promise<void>): Fault {
  return { name, weight, needsOthers: false, run };
}

// Whom

async function leader({ cluster, random }: Scene): Promise<Member> {
  return (await cluster.leader()) ?? random.pick(cluster.members);
}

async function follower(scene: Scene): Promise<Member> {
  const leading = await leader(scene);
  return scene.random.pick(scene.cluster.members.filter((member) => member !== leading));
}

/** Those that are left are too few. */
async function majority({ cluster, random }: Scene): Promise<readonly Member[]> {
  const members = shuffled(cluster.members, random);
  return members.slice(0, Math.floor(members.length / 2) + 1);
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function ids(members: readonly Member[]): string {
  return members.map(({ id }) => id).join(', ');
}

function anyTime({ random }: Scene): readonly [number, number] {
  return random.chance(0.5) ? SHORT_MS : LONG_MS;
}

/** Sometimes shorter, sometimes longer than sessions live. */
function beyondTimeout({ random, sessionTimeoutMs }: Scene): readonly [number, number] {
  return random.chance(0.4) ? SHORT_MS : [sessionTimeoutMs, 2 * sessionTimeoutMs];
}

async function pass({ random }: Scene, [least, most]: readonly [number, number]): Promise<void> {
  await sleep(random.between(least, most));
}

// Processes

async function kill(scene: Scene, members: readonly Member[]): Promise<void> {
  scene.tell(`kill -9 ${ids(members)}`);
  await Promise.all(members.map((member) => member.kill()));
  await pass(scene, anyTime(scene));
  for (const member of members) {
    member.launch();
  }
}

async function killAgain(scene: Scene): Promise<void> {
  const member = scene.random.pick(scene.cluster.members);
  const times = scene.random.between(2, 4);
  scene.tell(`kill -9 ${member.id}, ${times} times`);
  for (let i = 0; i < times; i++) {
    await member.kill();
    member.launch();
    await pass(scene, [50, 1500]);
  }
}

async function stop(scene: Scene, members: readonly Member[], ms: readonly [number, number]): Promise<void> {
  scene.tell(`SIGSTOP ${ids(members)}`);
  for (const member of members) {
    member.pause();
  }
  await pass(scene, ms);
  for (const member of members) {
    member.resume();
  }
}

async function restartAll(scene: Scene): Promise<void> {
  scene.tell('SIGTERM to all');
  await Promise.all(scene.cluster.members.map((member) => member.terminate()));
  scene.cluster.launchAll();
}

async function rollingRestart(scene: Scene): Promise<void> {
  const { cluster, random } = scene;
  scene.tell('SIGTERM to one after the other');
  for (const member of shuffled(cluster.members, random)) {
    await member.terminate();
    member.launch();
    await cluster.untilServing(SERVING_MS_MAX);
  }
}

/** A leader that is asked to end gives its place to another one, if it can. */
async function handOver(scene: Scene): Promise<void> {
  const member = await leader(scene);
  scene.tell(`SIGTERM to the leader ${member.id}`);
  await member.terminate();
  member.launch();
}

// The network

async function alone(scene: Scene, member: Member, direction: 'in' | 'out' | 'both'): Promise<void> {
  const { cluster } = scene;
  scene.tell(`cut off ${member.id} (${direction})`);
  await isolate(scene, member, direction);
  await pass(scene, beyondTimeout(scene));
  await cluster.network.heal();
}

async function isolate({ cluster }: Scene, member: Member, direction: 'in' | 'out' | 'both'): Promise<void> {
  for (const { id } of cluster.members.filter((other) => other !== member)) {
    if (direction !== 'in') {
      await cluster.network.cut(member.id, id);
    }
    if (direction !== 'out') {
      await cluster.network.cut(id, member.id);
    }
  }
}

async function oneLink(scene: Scene): Promise<void> {
  const { cluster, random } = scene;
  const [one, other] = shuffled(cluster.members, random);
  scene.tell(`cut the link of ${one.id} and ${other.id}`);
  await cluster.network.cut(one.id, other.id);
  await cluster.network.cut(other.id, one.id);
  await pass(scene, beyondTimeout(scene));
  await cluster.network.heal();
}

async function split(scene: Scene): Promise<void> {
  const { cluster, random } = scene;
  const members = shuffled(cluster.members, random);
  const half = Math.floor(members.length / 2);
  const [few, many] = [members.slice(0, half), members.slice(half)];
  scene.tell(`split ${ids(few)} from ${ids(many)}`);
  for (const one of few) {
    for (const other of many) {
      await cluster.network.cut(one.id, other.id);
      await cluster.network.cut(other.id, one.id);
    }
  }
  await pass(scene, beyondTimeout(scene));
  await cluster.network.heal();
}

async function flap(scene: Scene): Promise<void> {
  const { cluster, random } = scene;
  const member = random.chance(0.6) ? await leader(scene) : random.pick(cluster.members);
  const times = random.between(2, FLAPS_MAX);
  scene.tell(`cut off ${member.id}, ${times} times`);
  for (let i = 0; i < times; i++) {
    await isolate(scene, member, 'both');
    await pass(scene, [50, 1500]);
    await cluster.network.heal();
    await pass(scene, [50, 1000]);
  }
}

async function slow(scene: Scene, members: readonly Member[]): Promise<void> {
  const { cluster, random } = scene;
  const slowness = { delayMs: random.pick([5, 20, 100, 300]), lossPercent: random.pick([0, 1, 5]) };
  scene.tell(`slow: ${ids(members)} by ${slowness.delayMs} ms, ${slowness.lossPercent} % lost`);
  for (const { id } of members) {
    await cluster.network.slow(id, slowness);
  }
  await pass(scene, LONG_MS);
  await cluster.network.heal();
}

// Disks and clocks

async function fillDisk(scene: Scene): Promise<void> {
  const [member] = scene.cluster.members;
  scene.tell(`fill the disk of ${member.id}`);
  member.excuse = { reason: 'its disk is full', needsWiping: false };
  member.fillDisk();
  await pass(scene, LONG_MS);
  member.freeDisk();
  await scene.cluster.untilServing(SERVING_MS_MAX);
  member.excuse = null;
}

async function setClock(scene: Scene): Promise<void> {
  const { cluster, random } = scene;
  const members = shuffled(cluster.members, random).slice(0, random.between(1, cluster.members.length));
  for (const member of members) {
    const seconds = random.pick(CLOCK_SECONDS);
    scene.tell(`clock of ${member.id}: ${seconds} s`);
    member.setClock(seconds);
  }
  await pass(scene, LONG_MS);
  for (const member of members.filter(() => random.chance(0.5))) {
    member.setClock(0);
  }
}

/**
 * Takes one copy of the history away, of which the others have all. They must have it on disk, and nothing else may
 * fail until the copy is there again: this is what a quorum system can stand, and no more.
 */
async function without(scene: Scene, take: (scene: Scene, member: Member) => void): Promise<void> {
  const { cluster, random } = scene;
  if (!(await cluster.untilServing(SERVING_MS_MAX))) {
    return;
  }
  const member = random.pick(cluster.members);
  await (random.chance(0.5) ? member.kill() : member.terminate());
  // What it has acknowledged with only some of the others reaches all of them, once they serve under one leader.
  await within(SERVING_MS_MAX, () => othersAgree(cluster, member));
  take(scene, member);
  member.launch();
  await cluster.untilServing(SERVING_MS_MAX);
  member.excuse = null;
}

/** Those that are left have a leader, and follow it. */
async function othersAgree(cluster: Cluster, missing: Member): Promise<boolean> {
  const others = cluster.members.filter((member) => member !== missing);
  const modes = await Promise.all(others.map((member) => member.mode()));
  return modes.every((mode) => mode !== null) && modes.includes('leader');
}

function wipe(scene: Scene, member: Member): void {
  scene.tell(`wipe ${member.id}`);
  member.wipe();
}

function damage(scene: Scene, member: Member): void {
  const what = member.damage(scene.random.pick(['log', 'snapshot']), scene.random.pick(damages), scene.random);
  scene.tell(`damage ${member.id}: ${what}`);
  if (scene.cluster.flavour === 'apache') {
    // It says so and ends; what it advises is to start with an empty disk.
    member.excuse = { reason: 'its files are damaged', needsWiping: true };
  }
}

/** The leader's digests tell. */
function alter(scene: Scene, member: Member): void {
  scene.tell(`damage ${member.id}: ${member.damage('snapshot', 'altered', scene.random)}`);
}
