/**
 * An ensemble of the model as a value: servers, what is on its way between them, and what may still happen. What can
 * happen next is a list of moves; each makes another value.
 */
import { PacketType, SNAP_STREAM_END } from '@treekeeper/protocol';
import { type DiskState, EMPTY_DISK } from './disk.ts';
import { END, keyOf, knownHistoryOn, type Local, type Locals } from './locals.ts';
import type { Effects, Input } from './machine.ts';
import { type Chronicle, checkDisks, checkStep, chronicled, chronicleKey, NOTHING_YET } from './properties.ts';
import type { Move } from './search.ts';

/** How much of what may happen. */
export interface Budget {
  /** Servers that decide to lead. */
  readonly elections: number;
  readonly writes: number;
  readonly crashes: number;
  /** Links that break. */
  readonly breaks: number;
  /** Servers that hear nothing for so long that they give up. */
  readonly silences: number;
  readonly handOvers: number;
  /** How often something is put off behind everything else that is due; infinite: everything in any order. */
  readonly delays: number;
}

export interface Beginning {
  readonly disks: readonly DiskState[];
  readonly chronicle: Chronicle;
}

/** Bytes go forth from who has dialled, and back. */
interface Connection {
  readonly from: number;
  readonly fromLink: number;
  readonly to: number;
  /** −1: not open yet. */
  readonly toLink: number;
  readonly forth: readonly number[];
  readonly back: readonly number[];
  readonly fromEnded: boolean;
  readonly toEnded: boolean;
}

export interface Ensemble {
  /** Null: the server is down. */
  readonly locals: readonly (Local | null)[];
  readonly disks: readonly DiskState[];
  readonly connections: readonly Connection[];
  readonly chronicle: Chronicle;
  readonly budget: Budget;
  /** Moves that are due, in the order in which they became so; null: order means nothing. */
  readonly due: readonly string[] | null;
}

export function beginning(locals: Locals, servers: number, budget: Budget, given: Beginning | null): Ensemble {
  const disks = given?.disks ?? Array.from({ length: servers }, () => EMPTY_DISK);
  const running = disks.map((disk, i) => locals.boot(i + 1, disk));
  return {
    locals: running,
    disks: running.map(({ view }) => view.disk),
    connections: [],
    chronicle: given?.chronicle ?? NOTHING_YET,
    budget,
    due: Number.isFinite(budget.delays) ? [] : null,
  };
}

/** The same for ensembles that are the same, whatever led to them. */
export function ensembleKey({ locals, disks, connections, chronicle, budget, due }: Ensemble): string {
  const servers = locals.map((local, i) => local?.id ?? keyOf(disks[i])).join();
  const links = connections
    .map(
      ({ from, fromLink, to, toLink, forth, back, fromEnded, toEnded }) =>
        `${from}.${fromLink}-${to}.${toLink} ${forth} ${fromEnded} ${back} ${toEnded}`,
    )
    .sort()
    .join(';');
  return `${servers} ${links} ${chronicleKey(chronicle)} ${Object.values(budget)} ${due ?? ''}`;
}

/** An ensemble on its way to the next. */
class Draft {
  readonly #locals: Locals;
  readonly locals: (Local | null)[];
  readonly disks: DiskState[];
  connections: Connection[];
  chronicle: Chronicle;
  budget: Budget;
  readonly #splits: boolean;

  constructor(locals: Locals, { locals: running, disks, connections, chronicle, budget }: Ensemble, splits: boolean) {
    this.#locals = locals;
    this.locals = [...running];
    this.disks = [...disks];
    this.connections = [...connections];
    this.chronicle = chronicle;
    this.budget = budget;
    this.#splits = splits;
  }

  spend(what: keyof Budget): void {
    this.budget = { ...this.budget, [what]: this.budget[what] - 1 };
  }

  input(serverId: number, input: Input): void {
    const from = this.locals[serverId - 1] as Local;
    const { local, effects } = this.#locals.step(from, input);
    this.locals[serverId - 1] = local;
    this.#carry(serverId, effects);
    const disk = this.disks[serverId - 1];
    if (disk === local.view.disk && effects.happenings.length === 0) {
      return;
    }
    checkStep(serverId, disk, local.view.disk);
    this.disks[serverId - 1] = local.view.disk;
    for (const happening of effects.happenings) {
      this.chronicle = chronicled(this.chronicle, serverId, happening, this.disks);
    }
    checkDisks(this.chronicle, this.disks);
  }

  #carry(serverId: number, { dialled, sent, closed }: Effects): void {
    for (const { link, serverId: to } of dialled) {
      const ends = { fromEnded: false, toEnded: false };
      this.connections.push({ from: serverId, fromLink: link, to, toLink: -1, forth: [], back: [], ...ends });
    }
    for (const [link, bytes] of sent) {
      const pieces = this.#splits ? packetsOf(bytes) : [bytes];
      this.#send(
        serverId,
        link,
        pieces.map((piece) => this.#locals.pieceOf(piece)),
      );
    }
    for (const link of closed) {
      this.#send(serverId, link, [END]);
      this.#end(serverId, link);
    }
  }

  #at(serverId: number, link: number): number {
    return this.connections.findIndex(
      ({ from, fromLink, to, toLink }) =>
        (from === serverId && fromLink === link) || (to === serverId && toLink === link),
    );
  }

  #send(serverId: number, link: number, pieces: readonly number[]): void {
    const at = this.#at(serverId, link);
    const connection = this.connections[at];
    if (connection === undefined) {
      return;
    }
    const isForth = connection.from === serverId;
    const queue = isForth ? connection.forth : connection.back;
    const isHeard = !(isForth ? connection.toEnded : connection.fromEnded) && queue.at(-1) !== END;
    if (isHeard) {
      const longer = [...queue, ...pieces];
      this.connections[at] = { ...connection, ...(isForth ? { forth: longer } : { back: longer }) };
    }
  }

  /** A server reads no more from this link. */
  #end(serverId: number, link: number): void {
    const at = this.#at(serverId, link);
    const connection = this.connections[at];
    if (connection === undefined) {
      return;
    }
    const ended =
      connection.from === serverId
        ? { ...connection, fromEnded: true, back: [] }
        : { ...connection, toEnded: true, forth: [] };
    if (ended.toLink < 0 || (ended.fromEnded && ended.toEnded)) {
      this.connections.splice(at, 1);
    } else {
      this.connections[at] = ended;
    }
  }

  open({ from, fromLink, to }: Connection): void {
    const toLink = (this.locals[to - 1] as Local).view.nextLink;
    const at = this.#at(from, fromLink);
    this.connections[at] = { ...this.connections[at], toLink };
    this.input(to, { kind: 'accept' });
    this.input(from, { kind: 'opened', link: fromLink });
  }

  deliver({ from, fromLink, to, toLink, forth, back }: Connection, isForth: boolean): void {
    const [first, ...rest] = isForth ? forth : back;
    const at = this.#at(from, fromLink);
    this.connections[at] = { ...this.connections[at], ...(isForth ? { forth: rest } : { back: rest }) };
    const [serverId, link] = isForth ? [to, toLink] : [from, fromLink];
    if (first === END) {
      this.#end(serverId, link);
      this.input(serverId, { kind: 'gone', link });
    } else {
      this.input(serverId, { kind: 'data', link, piece: first });
    }
  }

  /** What is on its way is lost; what has arrived before the break is what was delivered before this move. */
  break({ from, fromLink }: Connection): void {
    const at = this.#at(from, fromLink);
    const connection = this.connections[at];
    const forth = connection.toEnded ? [] : [END];
    const back = connection.fromEnded ? [] : [END];
    this.connections[at] = { ...connection, forth, back };
  }

  crash(serverId: number, disk: DiskState): void {
    this.locals[serverId - 1] = null;
    checkStep(serverId, this.disks[serverId - 1], disk);
    this.disks[serverId - 1] = disk;
    for (const connection of this.connections.filter(({ from, to }) => from === serverId || to === serverId)) {
      if (connection.toLink >= 0) {
        this.break(connection);
        this.#end(serverId, connection.from === serverId ? connection.fromLink : connection.toLink);
      } else if (connection.from === serverId) {
        this.connections.splice(this.connections.indexOf(connection), 1);
      }
    }
    checkDisks(this.chronicle, this.disks);
  }

  restart(serverId: number): void {
    const local = this.#locals.boot(serverId, this.disks[serverId - 1]);
    this.locals[serverId - 1] = local;
    this.disks[serverId - 1] = local.view.disk;
  }

  done(due: readonly string[] | null): Ensemble {
    const { locals, disks, connections, chronicle, budget } = this;
    return { locals, disks, connections, chronicle, budget, due };
  }
}

/** What may happen, and makes it happen. */
export class Rules {
  readonly #locals: Locals;
  readonly #splits: boolean;

  /** @param splits each packet travels by itself; false: what a server writes in a turn travels together */
  constructor(locals: Locals, splits: boolean) {
    this.#locals = locals;
    this.#splits = splits;
  }

  moves(ensemble: Ensemble): Move<Ensemble>[] {
    const due = this.#due(ensemble);
    const faults = this.#faults(ensemble);
    const { delays } = ensemble.budget;
    if (ensemble.due === null) {
      return [...due, ...this.#decisions(ensemble, 0), ...faults];
    }
    const rank = new Map(ensemble.due.map((name, i) => [name, i]));
    const inOrder = due.sort((one, other) => (rank.get(one.name) ?? due.length) - (rank.get(other.name) ?? due.length));
    const names = inOrder.map(({ name }) => name);
    const next = inOrder.slice(0, 1).map(({ name, make }) => ({
      name,
      make: () => ({ ...make(), due: names.slice(1) }),
    }));
    if (delays > 0 && names.length > 1) {
      const budget = { ...ensemble.budget, delays: delays - 1 };
      const later = [...names.slice(1), names[0]];
      next.push({ name: `${names[0]} is put off`, make: () => ({ ...ensemble, budget, due: later }) });
    }
    // Somebody comes forward to lead, or is started again, when nothing else goes on; earlier it counts as a delay.
    const decisions =
      names.length === 0 ? this.#decisions(ensemble, 0) : delays > 0 ? this.#decisions(ensemble, 1) : [];
    const keeping = (move: Move<Ensemble>) => ({ name: move.name, make: () => ({ ...move.make(), due: names }) });
    return [...next, ...decisions.map(keeping), ...faults.map(keeping)];
  }

  #move(ensemble: Ensemble, name: string, change: (draft: Draft) => void): Move<Ensemble> {
    return {
      name,
      make: () => {
        const draft = new Draft(this.#locals, ensemble, this.#splits);
        change(draft);
        return draft.done(ensemble.due);
      },
    };
  }

  /** What goes on by itself. */
  #due(ensemble: Ensemble): Move<Ensemble>[] {
    const { locals, connections, budget } = ensemble;
    const moves: Move<Ensemble>[] = [];
    const add = (name: string, change: (draft: Draft) => void) => moves.push(this.#move(ensemble, name, change));
    for (const connection of connections) {
      const { from, fromLink, to, toLink, forth, back } = connection;
      const way = `${from}.${fromLink}-${to}`;
      if (toLink < 0) {
        if (locals[to - 1]?.view.isListening === true) {
          add(`${way} opens`, (draft) => draft.open(connection));
        }
        continue;
      }
      if (forth.length > 0) {
        add(`${way} forth`, (draft) => draft.deliver(connection, true));
      }
      if (back.length > 0) {
        add(`${way} back`, (draft) => draft.deliver(connection, false));
      }
    }
    for (const [i, local] of locals.entries()) {
      const serverId = i + 1;
      if (local?.view.isDiskAtWork) {
        add(`disk of ${serverId}`, (draft) => draft.input(serverId, { kind: 'disk' }));
      }
      if (local?.view.isOpen && budget.writes > 0) {
        add(`write at ${serverId}`, (draft) => {
          draft.spend('writes');
          draft.input(serverId, { kind: 'write', text: `w${budget.writes}` });
        });
      }
      for (const leaderId of local?.view.isLooking ? this.#leaders(locals, serverId) : []) {
        add(`${serverId} follows ${leaderId}`, (draft) => draft.input(serverId, { kind: 'elect', leaderId }));
      }
    }
    return moves;
  }

  #leaders(locals: readonly (Local | null)[], serverId: number): number[] {
    return locals.flatMap((local, i) => (local?.view.hasLeadership && i + 1 !== serverId ? [i + 1] : []));
  }

  #decisions(ensemble: Ensemble, delays: number): Move<Ensemble>[] {
    const { locals, budget } = ensemble;
    const moves: Move<Ensemble>[] = [];
    const add = (name: string, change: (draft: Draft) => void) =>
      moves.push(
        this.#move(ensemble, name, (draft) => {
          change(draft);
          if (delays > 0) {
            draft.spend('delays');
          }
        }),
      );
    for (const [i, local] of locals.entries()) {
      const serverId = i + 1;
      if (local === null) {
        add(`${serverId} starts`, (draft) => draft.restart(serverId));
      } else if (local.view.isLooking && budget.elections > 0) {
        add(`${serverId} leads`, (draft) => {
          draft.spend('elections');
          draft.input(serverId, { kind: 'elect', leaderId: serverId });
        });
      }
    }
    return moves;
  }

  #faults(ensemble: Ensemble): Move<Ensemble>[] {
    const { locals, connections, budget } = ensemble;
    const moves: Move<Ensemble>[] = [];
    const add = (name: string, what: keyof Budget, change: (draft: Draft) => void) => {
      if (budget[what] > 0) {
        moves.push(
          this.#move(ensemble, name, (draft) => {
            draft.spend(what);
            change(draft);
          }),
        );
      }
    };
    for (const [i, local] of locals.entries()) {
      const serverId = i + 1;
      for (const [kept, disk] of local?.view.afterCrash.entries() ?? []) {
        const left = kept > 0 ? ', what it was writing is on disk' : '';
        add(`${serverId} crashes${left}`, 'crashes', (draft) => draft.crash(serverId, disk));
      }
      if (local?.view.canFallSilent) {
        add(`${serverId} hears nothing`, 'silences', (draft) => draft.input(serverId, { kind: 'silence' }));
      }
      if (local?.view.isOpen) {
        add(`${serverId} hands over`, 'handOvers', (draft) => draft.input(serverId, { kind: 'hand-over' }));
      }
    }
    for (const connection of connections) {
      if (connection.toLink >= 0 && !connection.fromEnded && !connection.toEnded) {
        const { from, to } = connection;
        add(`the link from ${from} to ${to} breaks`, 'breaks', (draft) => draft.break(connection));
      }
    }
    return moves;
  }
}

const HEADER_BYTES = 16;

/** What was written, packet by packet, a snapshot with its SNAP. */
export function packetsOf(bytes: string): string[] {
  const all = Buffer.from(bytes, 'latin1');
  const packets: string[] = [];
  let start = 0;
  while (start < all.length) {
    const length = all.readInt32BE(start + HEADER_BYTES - 4);
    const isSnapshot = all.readInt32BE(start) === PacketType.snap;
    const end = isSnapshot
      ? bytes.indexOf(SNAP_STREAM_END, start) + SNAP_STREAM_END.length
      : start + HEADER_BYTES + Math.max(length, 0) + 4;
    packets.push(bytes.slice(start, end));
    start = end;
  }
  return packets;
}

/** For whoever looks at a run. */
export function describe({ locals, disks, chronicle }: Ensemble): string {
  const servers = locals.map((local, i) => {
    const { acceptedEpoch, currentEpoch } = disks[i];
    const log = knownHistoryOn(disks[i]).map(({ zxid }) => zxid.toString(16));
    return `  ${i + 1}: ${local?.view.text ?? 'down'}; on disk epochs ${acceptedEpoch}/${currentEpoch}, log ${log.join(' ') || 'empty'}`;
  });
  const delivered = chronicle.delivered.map(({ zxid }) => zxid.toString(16));
  return [...servers, `  delivered: ${delivered.join(' ') || 'nothing'}`].join('\n');
}
