/** What a product's runs come to: how much was done to it, what it did, what was found. */
import type { Flavour } from '../servers.ts';
import type { Checks } from '../suite.ts';
import type { AnyCall } from './history.ts';
import type { Kind } from './judge.ts';

/** What judges of histories find, and what is seen of the servers themselves. */
export type FindingKind = Kind | 'tree' | 'stuck' | 'ended';

/** Of one kind of fault. */
export interface FaultFigures {
  /** The longest time in which no write was acknowledged, from the fault's beginning until all served again, ms. */
  readonly withoutWritesMs: number[];
  /** From the fault's end until all served and a write was acknowledged, ms. */
  readonly recoveriesMs: number[];
}

export class Figures {
  readonly product: Flavour;
  readonly seeds: number[] = [];
  /** What the machine allowed, as each run describes it. */
  readonly means = new Set<string>();
  readonly faults = new Map<string, FaultFigures>();
  readonly findings = new Map<FindingKind, number>();
  /** Why servers ended that may end for this reason, and how often. */
  readonly excused = new Map<string, number>();
  minutes = 0;
  episodes = 0;
  calls = 0;
  sessions = 0;
  /** Writes whose answer arrived. */
  acknowledged = 0;
  /** Reads behind a sync that were answered. */
  syncedReads = 0;
  /** One-shot watches that were set. */
  watches = 0;
  /** Events of all watches, gaps included. */
  events = 0;
  /** Refused for want of a right, or of room below a quota. */
  forbidden = 0;

  constructor(product: Flavour) {
    this.product = product;
  }

  addFault(name: string, withoutWritesMs: number, recoveryMs: number): void {
    const figures = this.faults.get(name) ?? { withoutWritesMs: [], recoveriesMs: [] };
    this.faults.set(name, figures);
    figures.withoutWritesMs.push(withoutWritesMs);
    figures.recoveriesMs.push(recoveryMs);
  }

  addCall(call: AnyCall): void {
    const isDone = call.outcome === 'done';
    this.syncedReads += call.kind === 'read' && call.isSynced && isDone ? 1 : 0;
    this.forbidden += call.code === 'NO_AUTH' || call.code === 'QUOTA_EXCEEDED' ? 1 : 0;
    if (call.kind === 'sight') {
      this.watches += call.isWatched && isDone ? 1 : 0;
      this.events += call.notices.length;
    }
  }

  addExcused(reason: string): void {
    this.excused.set(reason, (this.excused.get(reason) ?? 0) + 1);
  }

  get faultCount(): number {
    return [...this.faults.values()].reduce((sum, { recoveriesMs }) => sum + recoveriesMs.length, 0);
  }
}

/** Checks whose failures are counted by kind, too. */
export class Findings {
  readonly #checks: Checks;
  readonly #figures: Figures;

  constructor(checks: Checks, figures: Figures) {
    this.#checks = checks;
    this.#figures = figures;
  }

  /** `detail` is asked for only on failure. */
  that(kind: FindingKind, name: string, holds: boolean, detail: () => string): boolean {
    if (!holds) {
      this.count(kind, 1);
    }
    return this.#checks.that(name, holds, detail);
  }

  count(kind: FindingKind, number: number): void {
    this.#figures.findings.set(kind, (this.#figures.findings.get(kind) ?? 0) + number);
  }
}
