/** What of our code has run, by V8's own count of blocks: what a fuzzer goes by. */
import { type Profiler, Session } from 'node:inspector';

const OURS = /packages\/(?:protocol|server)\/src\//;

/** Of each file: 1 where something has run. */
export type Known = Map<string, Uint8Array>;

export class Coverage {
  readonly #session = new Session();

  start(): void {
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  stop(): void {
    this.#post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }

  /**
   * How many characters of our code have run since the last call, and are not in `known`; they are put in there. V8
   * leaves out blocks that ran as often as what is around them, so that blocks cannot be counted, but what they cover.
   *
   * @param isAsking leaves `known` as it is
   */
  takeNew(known: Known, isAsking = false): number {
    const taken = this.#post('Profiler.takePreciseCoverage') as Profiler.TakePreciseCoverageReturnType;
    let count = 0;
    for (const { url, functions } of taken.result.filter((script) => OURS.test(script.url))) {
      const ran = new Uint8Array(Math.max(...functions.map(({ ranges }) => ranges[0].endOffset)));
      for (const { startOffset, endOffset, count: times } of functions.flatMap(({ ranges }) => ranges)) {
        ran.fill(times > 0 ? 1 : 0, startOffset, endOffset); // inner ones come later
      }
      const before = known.get(url) ?? new Uint8Array(0);
      const after = new Uint8Array(Math.max(ran.length, before.length));
      after.set(before);
      for (let at = 0; at < ran.length; at++) {
        if (ran[at] > after[at]) {
          after[at] = 1;
          count++;
        }
      }
      if (!isAsking && count > 0) {
        known.set(url, after);
      }
    }
    return count;
  }

  /** Answered at once: the session is that of this very thread. */
  #post(method: string, parameters: object = {}): unknown {
    let answer: unknown;
    this.#session.post(method, parameters, (error, result) => {
      if (error !== null) {
        throw error;
      }
      answer = result;
    });
    return answer;
  }
}
