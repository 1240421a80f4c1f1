/** Whether ephemeral nodes live as long as the sessions that made them, and no longer (client-protocol.md §5.9). */
import { type AnyCall, type FinalState, type History, isWrite, type LookCall, type OwnCall } from './history.ts';
import { told, type Violation } from './judge.ts';

/** Nobody deletes these nodes; sessions have ended when the final state is read. */
export function judgeEphemerals({ calls }: History, { owned }: FinalState): Violation[] {
  const made = new Map<string, OwnCall>();
  for (const call of calls) {
    if (call.kind === 'own') {
      made.set(call.path, call);
    }
  }
  const left = owned.map((path) => {
    const maker = made.get(path);
    return `the session is gone, and its node is there: ${maker === undefined ? path : told(maker)}`;
  });
  const looks = calls.filter((call): call is LookCall => call.kind === 'look' && call.outcome === 'done');
  const lives = new Lives(calls);
  const wrong = looks.map((look) => judgeLook(look, made.get(look.path), lives));
  return [...left, ...wrong.filter((text) => text !== null)].map((text) => ({ kind: 'owned', text }));
}

/** What shows how long sessions lived. */
class Lives {
  /** By session, the call that was sent last of those that were answered. */
  readonly #lastAnswers = new Map<number, AnyCall>();
  /** The last of those that were answered by the ensemble, not by one server that may be behind. */
  readonly #lastProofs = new Map<number, AnyCall>();

  constructor(calls: readonly AnyCall[]) {
    for (const call of calls.filter(({ outcome }) => outcome === 'done')) {
      this.#lastAnswers.set(call.session.index, call);
      if (isWrite(call) || ('isSynced' in call && call.isSynced)) {
        this.#lastProofs.set(call.session.index, call);
      }
    }
  }

  /** A last answer may come from a session that has just ended; one that is asked again and answers has its nodes. */
  goesOnBehind(look: LookCall, maker: OwnCall): boolean {
    if (look.session === maker.session) {
      return (this.#lastAnswers.get(look.session.index)?.place ?? 0) > look.place;
    }
    return (this.#lastProofs.get(maker.session.index)?.began ?? 0) > look.ended;
  }
}

function judgeLook(look: LookCall, maker: OwnCall | undefined, lives: Lives): string | null {
  if (maker === undefined || maker.outcome === 'refused') {
    return look.isThere ? `nobody made it, and yet it is there: ${told(look)}` : null;
  }
  if (look.isThere) {
    const isRight = look.owner === maker.session.id;
    return isRight ? null : `it belongs to 0x${look.owner.toString(16)}: ${told(look)}, ${told(maker)}`;
  }
  // Who looks in the session that made it sees its own writes; others must have asked later, and behind a sync.
  const isOwn = look.session === maker.session;
  const mustSee = isOwn ? look.place > maker.place : look.isSynced && look.began > maker.ended;
  const isWrong = maker.outcome === 'done' && mustSee && lives.goesOnBehind(look, maker);
  return isWrong ? `the session lives, and its node is gone: ${told(look)}, ${told(maker)}` : null;
}
