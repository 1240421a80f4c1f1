/**
 * What a server tells of its elections, its learners and itself, so that operators can be shown counts and times.
 * Nothing depends on it, and nothing is asked: whoever listens knows the time, and this folder knows no instruments.
 */
export interface Tallies {
  /** It looks for a leader, maybe not for the first time since it last had one. */
  looking(): void;
  /** It has found one: an election has come to its result, or the leader before has named another. */
  elected(): void;
  /** The servers that made it leader have left before its epoch was accepted: it gives up (`maxTimeToWaitForEpoch`). */
  deserted(): void;
  /** A learner accepts its leader's epoch, and is given the leader's history; `Service.follow` is when it has it. */
  epochAccepted(): void;
  /** A learner is being brought up to date; `underWay` are in this way, this one among them. */
  bringsUpToDate(kind: 'difference' | 'snapshot', underWay: number): void;
  /** A learner asks about a session of its clients. */
  askedAboutSession(): void;
  /** A server has logged the proposals behind `after`, through `through`. Zxids of another epoch are told, too. */
  acknowledged(serverId: number, after: number, through: number): void;
}

/** For a server whom nobody watches. */
export const NO_TALLIES: Tallies = {
  looking: () => undefined,
  elected: () => undefined,
  deserted: () => undefined,
  epochAccepted: () => undefined,
  bringsUpToDate: () => undefined,
  askedAboutSession: () => undefined,
  acknowledged: () => undefined,
};
