/**
 * Whether what clients heard can have happened in one order, that of the zxids. Every answer names the zxid of what it
 * made or saw, so the order need not be searched for: it has to agree with itself, with real time, and with each
 * session.
 */
import { type AnyCall, type AppendCall, type FinalState, type History, isWrite, type TakeCall } from './history.ts';
import { Register } from './register.ts';

/** The value that every register begins with. */
export const FIRST_VALUE = 'first';

/** What is wrong: a write that is lost, one with two histories, a stale read behind a sync, ... */
export type Kind =
  | 'lost'
  | 'fork'
  | 'stale'
  | 'order'
  | 'session'
  | 'number'
  | 'owned'
  | 'linearizability'
  | 'watch'
  | 'right'
  | 'quota';

export interface Violation {
  readonly kind: Kind;
  readonly text: string;
}

/** Everything that must not be; empty when all is well. */
export function judge(history: History, final: FinalState): Violation[] {
  return new Judge(history, final).violations;
}

/** A call in words. */
export function told(call: AnyCall): string {
  const about = 'key' in call ? call.key : call.path;
  const value = 'value' in call ? ` "${call.value}"` : '';
  const answer = call.outcome === 'done' ? `0x${call.zxid.toString(16)}` : `${call.outcome} ${call.code}`;
  return `${call.kind} ${about}${value} (${call.began}-${call.ended}, session ${call.session.index}: ${answer})`;
}

class Judge {
  readonly violations: Violation[] = [];
  readonly #history: History;
  readonly #final: FinalState;
  readonly #registers = new Map<string, Register>();

  constructor(history: History, final: FinalState) {
    this.#history = history;
    this.#final = final;
    this.#collect();
    for (const register of this.#registers.values()) {
      this.#checkVersions(register);
      this.#checkCount(register);
    }
    this.#checkRealTime();
    this.#checkSessions();
    this.#checkAppends();
    this.#checkTakes();
  }

  #that(kind: Kind, holds: boolean, text: () => string): void {
    if (!holds) {
      this.violations.push({ kind, text: text() });
    }
  }

  #of<K extends AnyCall['kind']>(kind: K): Extract<AnyCall, { kind: K }>[] {
    return this.#history.calls.filter((call) => call.kind === kind) as Extract<AnyCall, { kind: K }>[];
  }

  #register(key: string): Register {
    let register = this.#registers.get(key);
    if (register === undefined) {
      register = new Register(key);
      this.#registers.set(key, register);
    }
    return register;
  }

  // Registers: one history of versions each

  #collect(): void {
    for (const call of this.#of('set')) {
      this.#register(call.key).sets.set(call.value, call);
    }
    for (const call of this.#history.calls) {
      if (call.outcome === 'done' && (call.kind === 'set' || call.kind === 'read')) {
        const fault = this.#register(call.key).see(call);
        this.#that('fork', fault === null, () => `fork: ${fault}: ${told(call)}`);
        this.#checkSource(call);
      }
    }
    for (const [key, state] of this.#final.registers) {
      const fault = this.#register(key).see(state);
      this.#that('fork', fault === null, () => `fork: in the end ${fault}`);
    }
  }

  /** What is read has been written, and not later. */
  #checkSource(call: Extract<AnyCall, { kind: 'set' | 'read' }>): void {
    if (call.kind === 'set') {
      const isNext = call.expectedVersion === -1 || call.version === call.expectedVersion + 1;
      this.#that('order', isNext, () => `wrong version ${call.version} after ${call.expectedVersion}: ${told(call)}`);
    } else if (call.value !== FIRST_VALUE) {
      const source = this.#register(call.key).sets.get(call.value);
      this.#that('order', source !== undefined, () => `nobody wrote this: ${told(call)}`);
      if (source !== undefined) {
        const isOwnLater = source.session === call.session && source.place > call.place;
        const isPossible = source.began < call.ended && !isOwnLater;
        this.#that('order', isPossible, () => `read before it was written: ${told(call)}, ${told(source)}`);
      }
    }
  }

  #checkVersions(register: Register): void {
    const seen = new Map<string, number>();
    let last = -1n;
    for (const { version, zxid, value } of register.versions) {
      this.#that(
        'order',
        zxid > last,
        () => `version ${version} of ${register.key} has an older zxid than the one before`,
      );
      last = zxid;
      const other = seen.get(value);
      this.#that(
        'order',
        other === undefined,
        () => `"${value}" is version ${other} and ${version} of ${register.key}`,
      );
      seen.set(value, version);
      const source = register.sets.get(value);
      const isRefused = source !== undefined && source.outcome === 'refused';
      this.#that('order', !isRefused, () => `refused, and yet version ${version}: ${source && told(source)}`);
    }
  }

  /** Versions that nobody saw belong to writes whose outcome nobody knows; there are no more of them than these. */
  #checkCount(register: Register): void {
    const final = this.#final.registers.get(register.key);
    if (final === undefined) {
      this.violations.push({ kind: 'lost', text: `${register.key} is gone` });
      return;
    }
    const known = new Set(register.versions.map(({ value }) => value));
    const latest = register.versions[register.versions.length - 1];
    this.#that('lost', latest.version <= final.version, () => {
      const source = register.sets.get(latest.value);
      return `lost: ${register.key} ends at version ${final.version}, but ${source && told(source)} was ${latest.version}`;
    });
    const numbered = register.versions.filter(({ version }) => version <= final.version).length;
    const unseen = final.version + 1 - numbered - (register.versions[0].version === 0 ? 0 : 1);
    const open = [...register.sets.values()].filter(({ outcome, value }) => outcome === 'unknown' && !known.has(value));
    this.#that('order', unseen <= open.length, () => {
      return `${register.key} has ${unseen} versions of unknown origin, and only ${open.length} writes are unaccounted for`;
    });
  }

  // Real time: what has been heard of before a call began

  #checkRealTime(): void {
    const done = this.#history.calls.filter(({ outcome, zxid }) => outcome === 'done' && zxid !== 0n);
    const byEnd = [...done].sort((a, b) => a.ended - b.ended);
    const byBeginning = [...done].sort((a, b) => a.began - b.began);
    let latest: AnyCall | null = null;
    let at = 0;
    for (const call of byBeginning) {
      for (; at < byEnd.length && byEnd[at].ended < call.began; at++) {
        if (latest === null || byEnd[at].zxid > latest.zxid) {
          latest = byEnd[at];
        }
      }
      if (latest !== null) {
        this.#checkAfter(call, latest, 'stale');
      }
    }
  }

  /** A write comes behind what was known before; a read with sync shows it. */
  #checkAfter(call: AnyCall, earlier: AnyCall, name: string): void {
    if (call.kind === 'read') {
      const least = this.#register(call.key).versionAt(earlier.zxid);
      if (call.isSynced) {
        this.#that(
          'stale',
          call.version >= least,
          () => `${name}: version ${least} was there: ${told(call)} after ${told(earlier)}`,
        );
      }
    } else if (isWrite(call)) {
      this.#that('order', call.zxid > earlier.zxid, () => `${name}: ${told(call)} after ${told(earlier)}`);
    }
  }

  // Sessions: in the order of sending, never back

  #checkSessions(): void {
    const ids = new Map<bigint, number>();
    for (const { id, index } of this.#history.sessions) {
      const other = ids.get(id);
      this.#that('session', other === undefined, () => `sessions ${other} and ${index} have the same id`);
      ids.set(id, index);
    }
    const latest = new Map<number, AnyCall>();
    // Calls are in the order in which they were sent.
    for (const call of this.#history.calls) {
      if (call.outcome !== 'done' || call.zxid === 0n) {
        continue;
      }
      const earlier = latest.get(call.session.index);
      if (earlier !== undefined) {
        this.#checkBehind(call, earlier);
      }
      if (earlier === undefined || call.zxid > earlier.zxid) {
        latest.set(call.session.index, call);
      }
    }
  }

  #checkBehind(call: AnyCall, earlier: AnyCall): void {
    if (call.kind === 'read') {
      const least = this.#register(call.key).versionAt(earlier.zxid);
      this.#that('session', call.version >= least, () => `session goes back: ${told(call)} after ${told(earlier)}`);
    } else if (isWrite(call)) {
      // The operations of one transaction share a zxid.
      const isBehind = call.zxid > earlier.zxid || (call.kind === 'set' && call.zxid === earlier.zxid);
      this.#that('session', isBehind, () => `session out of order: ${told(call)} after ${told(earlier)}`);
    }
  }

  // Sequential nodes

  #checkAppends(): void {
    const calls = this.#of('append');
    const byValue = new Map(calls.map((call) => [call.value, call]));
    const takes = new Map<string, TakeCall>();
    for (const take of this.#of('take').filter(({ outcome }) => outcome !== 'refused')) {
      takes.set(take.path, take);
    }
    const byNumber = new Map<string, AppendCall>();
    for (const call of calls.filter(({ outcome }) => outcome === 'done')) {
      const other = byNumber.get(call.path);
      this.#that('number', other === undefined, () => `same number twice: ${told(call)}, ${other && told(other)}`);
      byNumber.set(call.path, call);
      const isThere = this.#final.appended.get(call.path)?.value === call.value;
      this.#that('lost', isThere || takes.has(call.path), () => `lost: ${told(call)} is not there, and nobody took it`);
    }
    const inOrder = [...byNumber.values()].sort((a, b) => (a.zxid < b.zxid ? -1 : 1));
    for (const [i, call] of inOrder.entries()) {
      const before = inOrder[i - 1];
      this.#that(
        'number',
        i === 0 || before.path < call.path,
        () => `numbers go back: ${told(call)} after ${told(before)}`,
      );
    }
    this.#checkLeft(byValue);
  }

  #checkLeft(byValue: ReadonlyMap<string, AppendCall>): void {
    const paths = new Map<string, string>();
    for (const [path, { value }] of this.#final.appended) {
      const call = byValue.get(value);
      this.#that('order', call !== undefined && call.outcome !== 'refused', () => {
        return `${path} "${value}" is there: ${call === undefined ? 'nobody made it' : told(call)}`;
      });
      const isOther = call?.outcome === 'done' && call.path !== path;
      this.#that(
        'order',
        !isOther && !paths.has(value),
        () => `made twice: ${path}, ${paths.get(value)}, ${call && told(call)}`,
      );
      paths.set(value, path);
    }
  }

  #checkTakes(): void {
    const byPath = new Map<string, TakeCall[]>();
    for (const call of this.#of('take')) {
      byPath.set(call.path, [...(byPath.get(call.path) ?? []), call]);
    }
    for (const [path, takes] of byPath) {
      const done = takes.filter(({ outcome }) => outcome === 'done');
      this.#that('order', done.length <= 1, () => `taken twice: ${done.map(told).join(', ')}`);
      this.#that(
        'lost',
        done.length === 0 || !this.#final.appended.has(path),
        () => `taken, and yet there: ${told(done[0])}`,
      );
      for (const missed of takes.filter(({ code }) => code === 'NO_NODE')) {
        const isTaken = takes.some(({ outcome, began }) => outcome !== 'refused' && began < missed.ended);
        this.#that('lost', isTaken, () => `nobody took it, and yet it was not there: ${told(missed)}`);
      }
    }
  }
}
