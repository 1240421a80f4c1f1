/**
 * Whether calls that overlapped can have happened one after the other, each at a moment between its beginning and its
 * end, so that every answer is what a model says: the search of Wing and Gong, which remembers where it has been, as
 * Lowe's does. Nothing but the times and the answers is believed.
 *
 * Linearizability is local: a history is linearizable if that of each object is. So the caller asks for one object at a
 * time, and the search stays small.
 */

/** A call with what was heard of it. */
export interface Operation<Call> {
  readonly call: Call;
  /** Of two operations, one came before the other if it ended before the other began. No two moments are the same. */
  readonly began: number;
  /** When its answer came. Infinity: none came, so it may have happened at any time after its beginning, or never. */
  readonly ended: number;
}

/** What an object does, one call at a time. */
export interface Model<State, Call> {
  readonly initial: State;
  /** The state after a call that had its answer; null: it cannot have had that answer in this state. */
  step(state: State, call: Call): State | null;
  /** The same for equal states, and for no others. */
  key(state: State): string;
  /**
   * Of calls without an answer: those of one kind turn every state into states that no answer tells apart, so it is
   * enough to try the oldest. Null: it is like no other.
   */
  kind(call: Call): string | null;
  /** Whether the call leaves every state in which it can happen as it is. */
  isReadOnly(call: Call): boolean;
  /**
   * Of a call without an answer that can be the next in this state: whether it could not happen in any state after
   * that. Then nothing is saved by leaving it out in favour of another that does the same.
   */
  isNowOrNever(state: State, call: Call): boolean;
}

export type Verdict<Call> =
  | { readonly kind: 'linearizable' }
  /** Of all orders that explain the most, this is one; `stuck` are the calls with answers that none of them reaches. */
  | { readonly kind: 'violation'; readonly order: readonly Call[]; readonly stuck: readonly Call[] }
  /** The search was given up. */
  | { readonly kind: 'undecided' };

/** Calls are tried so often, unless told otherwise. */
const TRIES_MAX = 2_000_000;

/** A call, or the end of one, in the list of all moments; taken out while the call is part of the order tried. */
interface Moment {
  readonly place: number;
  readonly isEnd: boolean;
  before: Moment | null;
  after: Moment | null;
}

export function checkLinearizability<State, Call>(
  model: Model<State, Call>,
  operations: readonly Operation<Call>[],
  triesMax: number = TRIES_MAX,
): Verdict<Call> {
  return new Search(model, operations, triesMax).run();
}

/** A call that is part of the order tried. */
interface Step<State> {
  readonly place: number;
  readonly stateBefore: State;
  /** It has an answer, and never changes anything: whatever order there is, there is one with this call here. */
  readonly isForced: boolean;
  /** Of the call that began last among those that are part of the order now. */
  readonly lastPlace: number;
}

class Search<State, Call> {
  readonly #model: Model<State, Call>;
  /** By their beginning. */
  readonly #operations: readonly Operation<Call>[];
  readonly #head: Moment = { place: -1, isEnd: false, before: null, after: null };
  readonly #calls: Moment[] = [];
  readonly #ends: (Moment | null)[] = [];
  /** Of calls without an answer: the one of its kind that began before; −1: there is none. */
  readonly #earlier: number[];
  readonly #isDone: boolean[];
  /** Where the search has been, and found nothing. */
  readonly #visited = new Set<string>();
  readonly #order: Step<State>[] = [];
  #longest: readonly number[] = [];
  /** Calls with answers that are not part of the order. */
  #left = 0;
  #triesLeft: number;

  constructor(model: Model<State, Call>, operations: readonly Operation<Call>[], triesMax: number) {
    this.#model = model;
    this.#operations = operations.toSorted((one, other) => one.began - other.began);
    this.#triesLeft = triesMax;
    this.#isDone = this.#operations.map(() => false);
    this.#earlier = this.#operations.map(() => -1);
    this.#link();
    this.#pairKinds();
  }

  #link(): void {
    const moments: { readonly at: number; readonly moment: Moment }[] = [];
    this.#operations.forEach(({ began, ended }, place) => {
      const call: Moment = { place, isEnd: false, before: null, after: null };
      const end: Moment | null = Number.isFinite(ended) ? { place, isEnd: true, before: null, after: null } : null;
      this.#calls.push(call);
      this.#ends.push(end);
      moments.push({ at: began, moment: call });
      if (end !== null) {
        this.#left++;
        moments.push({ at: ended, moment: end });
      }
    });
    let last = this.#head;
    for (const { moment } of moments.sort((one, other) => one.at - other.at)) {
      last.after = moment;
      moment.before = last;
      last = moment;
    }
  }

  #pairKinds(): void {
    const latest = new Map<string, number>();
    this.#operations.forEach(({ call, ended }, place) => {
      const kind = Number.isFinite(ended) ? null : this.#model.kind(call);
      if (kind !== null) {
        this.#earlier[place] = latest.get(kind) ?? -1;
        latest.set(kind, place);
      }
    });
  }

  run(): Verdict<Call> {
    let state = this.#model.initial;
    this.#takeReads(state);
    let moment = this.#head.after;
    while (this.#left > 0) {
      // Some end is always left, so the list does not come to its own.
      if (moment === null || moment.isEnd) {
        const last = this.#takeBack();
        if (last === null) {
          return this.#violation();
        }
        state = last.stateBefore;
        moment = this.#calls[last.place].after;
        continue;
      }
      const next = this.#try(state, moment);
      if (this.#triesLeft < 0) {
        return { kind: 'undecided' };
      }
      if (next === null) {
        moment = moment.after;
      } else {
        state = next;
        moment = this.#head.after;
      }
    }
    return { kind: 'linearizable' };
  }

  /** Whatever only says what the state is, and is right, has its place here. */
  #takeReads(state: State): void {
    for (let moment = this.#head.after; moment !== null && !moment.isEnd; moment = moment.after) {
      const { call } = this.#operations[moment.place];
      const isRead = this.#ends[moment.place] !== null && this.#model.isReadOnly(call);
      if (isRead && this.#model.step(state, call) !== null) {
        this.#append(moment.place, state, true);
        moment = this.#head; // the first end may be a later one now
      }
    }
  }

  /** Goes back to where there was a choice; null: there was none. */
  #takeBack(): Step<State> | null {
    for (;;) {
      const last = this.#order.pop();
      if (last === undefined) {
        return null;
      }
      this.#putBack(last.place);
      if (!last.isForced) {
        return last;
      }
    }
  }

  /** Makes a call the next of the order, and returns the state after it; null: it cannot be, or that leads nowhere. */
  #try(stateBefore: State, { place }: Moment): State | null {
    const earlier = this.#earlier[place];
    if (earlier >= 0 && !this.#isDone[earlier]) {
      return null;
    }
    this.#triesLeft--;
    const next = this.#model.step(stateBefore, this.#operations[place].call);
    if (next === null || (this.#ends[place] === null && this.#isUseless(stateBefore, next, place))) {
      return null;
    }
    this.#append(place, stateBefore, false);
    this.#takeReads(next);
    const here = this.#key(next);
    if (this.#visited.has(here)) {
      this.#takeBack();
      return null;
    }
    this.#visited.add(here);
    if (this.#order.length > this.#longest.length) {
      this.#longest = this.#order.map((step) => step.place);
    }
    return next;
  }

  #append(place: number, stateBefore: State, isForced: boolean): void {
    const lastPlace = Math.max(place, this.#order.at(-1)?.lastPlace ?? 0);
    this.#takeOut(place);
    this.#order.push({ place, stateBefore, isForced, lastPlace });
  }

  /** Whether it changes nothing, or another call without an answer does the same now, and can do it only now. */
  #isUseless(state: State, next: State, place: number): boolean {
    const model = this.#model;
    const { call } = this.#operations[place];
    if (model.key(state) === model.key(next)) {
      return true;
    }
    if (model.isNowOrNever(state, call)) {
      return false;
    }
    for (let other = this.#head.after; other !== null && !other.isEnd; other = other.after) {
      if (other.place !== place && this.#ends[other.place] === null) {
        const rival = this.#operations[other.place].call;
        const after = model.step(state, rival);
        if (after !== null && model.key(after) === model.key(next) && model.isNowOrNever(state, rival)) {
          return true;
        }
      }
    }
    return false;
  }

  /**
   * Which calls are part of the order, and the state: what comes after depends on nothing else. Of those with an answer
   * all that began before the first that is left are part of it.
   */
  #key(state: State): string {
    const lastPlace = this.#order.at(-1)?.lastPlace ?? 0;
    const { first, leftBefore } = this.#firstLeft();
    const parts: number[] = [first, ...leftBefore, -1];
    for (let place = first + 1; place <= lastPlace; place++) {
      if (this.#isDone[place]) {
        parts.push(place);
      }
    }
    return `${parts.join()} ${this.#model.key(state)}`;
  }

  /** The first call with an answer that is left, and those without one that began before it, and are left, too. */
  #firstLeft(): { readonly first: number; readonly leftBefore: readonly number[] } {
    const leftBefore: number[] = [];
    let moment = this.#head.after;
    while (moment !== null && this.#ends[moment.place] === null) {
      leftBefore.push(moment.place);
      moment = moment.after;
    }
    return { first: moment?.place ?? this.#operations.length, leftBefore };
  }

  #takeOut(place: number): void {
    this.#isDone[place] = true;
    unlink(this.#calls[place]);
    const end = this.#ends[place];
    if (end !== null) {
      this.#left--;
      unlink(end);
    }
  }

  #putBack(place: number): void {
    this.#isDone[place] = false;
    const end = this.#ends[place];
    if (end !== null) {
      this.#left++;
      relink(end);
    }
    relink(this.#calls[place]);
  }

  #violation(): Verdict<Call> {
    const reached = new Set(this.#longest);
    const order = this.#longest.map((place) => this.#operations[place].call);
    // Of those that are left, the ones that had begun when the first of them ended: somewhere there it goes wrong.
    const left = this.#operations.filter(({ ended }, place) => !reached.has(place) && Number.isFinite(ended));
    const firstEnd = left.reduce((first, { ended }) => Math.min(first, ended), Number.POSITIVE_INFINITY);
    return { kind: 'violation', order, stuck: left.filter(({ began }) => began < firstEnd).map(({ call }) => call) };
  }
}

function unlink({ before, after }: Moment): void {
  if (before !== null) {
    before.after = after;
  }
  if (after !== null) {
    after.before = before;
  }
}

/** Moments are put back in the opposite order of that in which they were taken out. */
function relink(moment: Moment): void {
  const { before, after } = moment;
  if (before !== null) {
    before.after = moment;
  }
  if (after !== null) {
    after.before = moment;
  }
}
