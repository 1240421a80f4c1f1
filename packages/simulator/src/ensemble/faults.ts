/**
 * The faults of a run, as plain data: drawn once from the seed, in the order of time, each complete in itself, so that
 * any of them can be left out when one looks for those that matter.
 */
import { type Dice, Weighted } from '../dice.ts';
import type { Role } from './operator.ts';
import { RELEASES, type Release } from './releases.ts';

/** A server's id, or whoever leads, or feeds an observer, when the time comes. */
export type Target = number | 'leader' | 'observer master';

interface FaultBase {
  readonly atMs: number;
  /** What happens lasts so long, then it is undone. */
  readonly ms: number;
  /** Clients have most to ask just then, and while it lasts. */
  readonly rush: boolean;
  /** While it lasts, connections of clients break right after a rush: they go on at other servers. */
  readonly resets: boolean;
}

export type Fault = FaultBase &
  (
    | { readonly kind: 'kill' | 'power loss'; readonly target: Target }
    | { readonly kind: 'power loss everywhere' | 'kill everyone' }
    /** Its disk is empty when it comes again; only where that endangers nothing that was promised. */
    | { readonly kind: 'wipe'; readonly target: Target }
    | { readonly kind: 'pause'; readonly target: Target }
    /** Nothing gets there (`in`), or from there (`out`). */
    | { readonly kind: 'isolation'; readonly target: Target; readonly way: Way }
    /** The servers in `side` and the others hear nothing of each other. */
    | { readonly kind: 'partition'; readonly side: readonly number[]; readonly way: Way }
    | { readonly kind: 'cut'; readonly one: number; readonly other: number; readonly way: Way }
    /** Cut and free in turn, every `periodMs`. */
    | { readonly kind: 'flapping'; readonly one: number; readonly other: number; readonly periodMs: number }
    | { readonly kind: 'slow link'; readonly one: number; readonly other: number; readonly extraMs: number }
    /** All links of a server are slow: it lags behind. */
    | { readonly kind: 'slow server'; readonly target: Target; readonly extraMs: number }
    /** Connections between two servers break in the middle of what is being sent. */
    | { readonly kind: 'reset'; readonly one: number; readonly other: number }
    | { readonly kind: 'slow disk'; readonly target: Target; readonly stepMsMax: number }
    | { readonly kind: 'full disk' | 'failing disk'; readonly target: Target }
    /** A bit of its newest log or snapshot turns while it is down; only where the others have all that it has. */
    | { readonly kind: 'bit rot'; readonly target: Target; readonly file: 'log' | 'snapshot'; readonly place: number }
    /** The leader gives leadership to another server, or to the best one. */
    | { readonly kind: 'hand-over'; readonly heir: number | null }
    /** An operator changes the members: those that leave go first, and who joins is a member afterwards. */
    | {
        readonly kind: 'reconfig';
        readonly leaving: readonly number[];
        readonly joining: readonly { readonly serverId: number; readonly role: Role }[];
        /** All members are named, not only those that change. */
        readonly isWhole: boolean;
      }
    /** The server is stopped, and the one that is started speaks as servers of that release do. */
    | { readonly kind: 'other release'; readonly target: Target; readonly release: Release }
    /** The server is stopped, and has promised itself to a leader of an epoch so much later when it is started. */
    | { readonly kind: 'epoch ahead'; readonly target: Target; readonly by: number }
    | { readonly kind: 'clock jump'; readonly target: Target; readonly jumpMs: number }
    | { readonly kind: 'silent client' | 'client reset'; readonly client: number }
    | { readonly kind: 'client cut'; readonly client: number; readonly target: Target }
  );

export type Way = 'both' | 'in' | 'out';
export type FaultKind = Fault['kind'];
/** The others come with what only some ensembles have (features.ts). */
type DrawnKind = Exclude<FaultKind, 'epoch ahead'>;

const KINDS = {
  kill: 8,
  'power loss': 8,
  'power loss everywhere': 2,
  'kill everyone': 1,
  wipe: 2,
  pause: 5,
  isolation: 6,
  partition: 6,
  cut: 5,
  flapping: 3,
  'slow link': 2,
  'slow server': 5,
  reset: 5,
  'slow disk': 5,
  'full disk': 3,
  'failing disk': 2,
  'bit rot': 4,
  'hand-over': 6,
  'other release': 3,
  reconfig: 0,
  'clock jump': 3,
  'silent client': 4,
  'client reset': 6,
  'client cut': 4,
} as const satisfies Record<DrawnKind, number>;

/** Where members may change, they do. */
const RECONFIG_WEIGHT = 20;

export interface FaultScope {
  readonly serverIds: readonly number[];
  readonly voters: number;
  readonly clients: number;
  readonly tickTimeMs: number;
  readonly safetyMs: number;
  /** Members may change. */
  readonly reconfigEnabled: boolean;
}

export function drawFaults(dice: Dice, scope: FaultScope): Fault[] {
  const { tickTimeMs, safetyMs, reconfigEnabled } = scope;
  const weights = { ...KINDS, reconfig: reconfigEnabled ? RECONFIG_WEIGHT : KINDS.reconfig };
  // Every run has some kinds only, so that one does not always hide what another would show.
  const kinds = new Weighted(
    Object.fromEntries(
      Object.entries(weights).map(([kind, weight]) => [
        kind,
        dice.chance(0.5) || weight === RECONFIG_WEIGHT ? weight : 0.01,
      ]),
    ) as Record<DrawnKind, number>,
  );
  const count = dice.pick([0, 3, 6, 10, 15, 25]);
  const faults = Array.from({ length: count }, (): Fault => {
    const atMs = Math.floor(dice.next() * safetyMs);
    const ms = Math.ceil(tickTimeMs * dice.pick([0.2, 1, 3, 8, 15]) * dice.next());
    const rush = dice.chance(0.6);
    const resets = dice.chance(0.4);
    return { atMs, ms, rush, resets, ...drawKind(dice, kinds.draw(dice), scope) } as Fault;
  });
  return faults.sort((one, other) => one.atMs - other.atMs);
}

function drawKind(dice: Dice, kind: DrawnKind, { serverIds, clients, tickTimeMs }: FaultScope): object {
  const target: Target = dice.chance(0.4) ? 'leader' : dice.pick(serverIds);
  const one = dice.pick(serverIds);
  const other = dice.pick(serverIds);
  const way = dice.pick(['both', 'both', 'in', 'out'] as const);
  switch (kind) {
    case 'isolation':
      // A leader that is alone for long, with requests that it cannot commit, has to take them back afterwards.
      return dice.chance(0.5)
        ? { kind, target: 'leader', way, rush: true, ms: tickTimeMs * dice.between(6, 14) }
        : { kind, target, way };
    case 'partition':
      return { kind, side: serverIds.filter(() => dice.chance(0.5)), way };
    case 'cut':
      return { kind, one, other, way };
    case 'flapping':
      return { kind, one, other, periodMs: Math.ceil(tickTimeMs * dice.pick([0.05, 0.3, 1])) };
    case 'slow link':
      return { kind, one, other, extraMs: tickTimeMs * dice.pick([0.1, 0.5, 2]) };
    case 'slow server':
      return { kind, target, extraMs: tickTimeMs * dice.pick([0.1, 0.5, 1]) };
    case 'reset':
      return { kind, one, other };
    case 'slow disk':
      return { kind, target, stepMsMax: tickTimeMs * dice.pick([0.05, 0.3, 1]) };
    case 'clock jump':
      return { kind, target, jumpMs: Math.round((dice.next() - 0.5) * dice.pick([1000, 100_000, 1e9])) };
    case 'bit rot':
      return { kind, target, file: dice.pick(['log', 'log', 'snapshot']), place: dice.next() };
    case 'hand-over':
      return { kind, heir: dice.chance(0.5) ? null : other };
    case 'other release':
      return { kind, target, release: dice.pick(RELEASES) };
    case 'reconfig':
      return { kind, ...drawChange(dice, serverIds) };
    case 'silent client':
    case 'client reset':
      return { kind, client: dice.below(clients) };
    case 'client cut':
      return { kind, client: dice.below(clients), target };
    default:
      return { kind, target };
  }
}

/** One leaves, or one joins or gets another role, or both. */
function drawChange(dice: Dice, serverIds: readonly number[]): object {
  const leaving = dice.chance(0.6) ? [dice.pick(serverIds)] : [];
  const serverId = dice.pick(serverIds);
  const role: Role = dice.chance(0.7) ? 'participant' : 'observer';
  const isJoining = (leaving.length === 0 || dice.chance(0.5)) && !leaving.includes(serverId);
  return { leaving, joining: isJoining ? [{ serverId, role }] : [], isWhole: dice.chance(0.3) };
}
