import type { Flavour } from './servers.ts';

/** What the command line asks for; every suite takes the options it knows. */
export interface Options {
  readonly seed: number;
  /** Requests of the differential test. */
  readonly requests: number;
  /** Rounds of kill -9. */
  readonly kills: number;
  /** Cases of the fuzzer. */
  readonly cases: number;
  /** The server under test; 'apache' tests the tests. */
  readonly server: Flavour;
  readonly differencesMax: number;
  /** A directory of this run's own. */
  readonly directory: string;
}

/** A named group of checks with a result of its own. */
export interface Suite {
  readonly name: string;
  readonly summary: string;
  run(options: Options, checks: Checks): Promise<void>;
}

/** Far more than the longest part takes on a slow machine. */
const PART_MS_MAX = 15 * 60_000;

/** Counts what holds and keeps what does not. */
export class Checks {
  passed = 0;
  readonly failures: string[] = [];
  readonly notes: string[] = [];

  /** `detail` is asked for only on failure. */
  that(name: string, holds: boolean, detail: () => string = () => ''): boolean {
    if (holds) {
      this.passed++;
    } else {
      this.fail(name, detail());
    }
    return holds;
  }

  equal<T>(name: string, actual: T, expected: T): boolean {
    const [seen, wanted] = [show(actual), show(expected)];
    return this.that(name, seen === wanted, () => `expected ${wanted}, got ${seen}`);
  }

  fail(name: string, detail: string): void {
    this.failures.push(detail === '' ? name : `${name}: ${detail}`);
    process.stdout.write(`  FAILED ${name}${detail === '' ? '' : `\n    ${detail.replaceAll('\n', '\n    ')}`}\n`);
  }

  /** Joins the suite's line in the result. */
  note(text: string): void {
    this.notes.push(text);
  }

  /** Runs a part that counts as one check; what it throws is its failure, and so is not coming to an end. */
  async part(name: string, run: () => Promise<void>): Promise<void> {
    const failuresBefore = this.failures.length;
    let timer: NodeJS.Timeout | undefined;
    const hanging = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('it does not come to an end')), PART_MS_MAX);
    });
    try {
      await Promise.race([run(), hanging]);
      if (this.failures.length === failuresBefore) {
        this.passed++;
      }
    } catch (error) {
      this.fail(name, shortStack(error));
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The message and where it came from, without the long way there. */
export function shortStack(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = text.split('\n');
  const frames = lines.filter((line) => line.trimStart().startsWith('at '));
  return [...lines.filter((line) => !frames.includes(line)), ...frames.slice(0, 4)].join('\n');
}

function show(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part)) ?? 'undefined';
}
