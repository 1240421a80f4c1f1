/**
 * A small fuzzer, guided by coverage: what runs a block of our code that no input before has run is kept, and the next
 * inputs are made out of what was kept. Why not somebody else's: docs/decisions, fuzzing.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '../../src/host/node-random.ts';
import { Coverage, type Known } from './coverage.ts';
import { Mutator } from './mutate.ts';

export interface Target {
  readonly name: string;
  /** To begin with; what was kept lies in the corpus. */
  seeds(): readonly Uint8Array[];
  /** Throws what must not be thrown. */
  run(bytes: Uint8Array): void | Promise<void>;
}

export class Found extends Error {
  override readonly name = 'Found';
}

const CORPUS = join(import.meta.dirname, '../corpus');
/** Asking what has run takes a while. */
const BATCH_MS = 100;
const BATCH = 256;
const CORPUS_MAX = 400;

function corpusFile({ name }: Target): string {
  return join(CORPUS, `${name.replaceAll(' ', '-')}.txt`);
}

/** One input a line, in base64. */
export function corpusOf(target: Target): Uint8Array[] {
  const file = corpusFile(target);
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  return lines.filter((line) => line !== '').map((line) => new Uint8Array(Buffer.from(line, 'base64')));
}

function keep(target: Target, inputs: readonly Uint8Array[]): void {
  if (inputs.length === 0) {
    rmSync(corpusFile(target), { force: true });
    return;
  }
  mkdirSync(CORPUS, { recursive: true });
  writeFileSync(corpusFile(target), inputs.map((bytes) => `${Buffer.from(bytes).toString('base64')}\n`).join(''));
}

async function runOne(target: Target, bytes: Uint8Array): Promise<void> {
  try {
    await target.run(bytes);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Found(`${target.name}: ${text}\ninput: ${Buffer.from(bytes).toString('base64')}`, { cause: error });
  }
}

/** Everything that was kept, and so many more, without looking at coverage. */
export async function replay(target: Target, seed: number, more: number): Promise<void> {
  const corpus = [...target.seeds(), ...corpusOf(target)];
  for (const bytes of corpus) {
    await runOne(target, bytes);
  }
  const mutator = new Mutator(new SeededRandom(seed));
  for (let i = 0; i < more; i++) {
    await runOne(target, mutator.mutate(corpus));
  }
}

export interface Hunt {
  readonly runs: number;
  readonly kept: number;
  /** Of our code: what has run. */
  readonly characters: number;
}

/** Looks for new ways for so long; what was kept replaces the corpus, without what others make superfluous. */
export async function hunt(target: Target, seed: number, seconds: number): Promise<Hunt> {
  const coverage = new Coverage();
  const mutator = new Mutator(new SeededRandom(seed));
  const known: Known = new Map();
  const seeds = target.seeds();
  const corpus = [...seeds, ...corpusOf(target)];
  coverage.start();
  try {
    await runAll(target, corpus);
    coverage.takeNew(known);
    let runs = 0;
    for (const endMs = performance.now() + seconds * 1000; performance.now() < endMs; ) {
      const batch: Uint8Array[] = [];
      for (const batchEndMs = performance.now() + BATCH_MS; performance.now() < batchEndMs && batch.length < BATCH; ) {
        batch.push(mutator.mutate(corpus));
        await runOne(target, batch[batch.length - 1]);
      }
      runs += batch.length;
      if (coverage.takeNew(known, true) > 0 && corpus.length < CORPUS_MAX) {
        corpus.push(...(await thoseThatAreNew(target, coverage, batch, known)));
      }
    }
    const kept = await withoutSuperfluous(target, coverage, seeds, corpus.slice(seeds.length));
    keep(target, kept);
    return {
      runs,
      kept: kept.length,
      characters: [...known.values()].reduce((sum, ran) => sum + ran.reduce((one, each) => one + each, 0), 0),
    };
  } finally {
    coverage.stop();
  }
}

async function runAll(target: Target, inputs: readonly Uint8Array[]): Promise<void> {
  for (const bytes of inputs) {
    await runOne(target, bytes);
  }
}

/** Those of a batch in which there are some, by halves. */
async function thoseThatAreNew(
  target: Target,
  coverage: Coverage,
  batch: readonly Uint8Array[],
  known: Known,
): Promise<Uint8Array[]> {
  await runAll(target, batch);
  if (coverage.takeNew(known, batch.length > 1) === 0) {
    return [];
  }
  if (batch.length === 1) {
    return [...batch];
  }
  const middle = batch.length >> 1;
  const before = await thoseThatAreNew(target, coverage, batch.slice(0, middle), known);
  return [...before, ...(await thoseThatAreNew(target, coverage, batch.slice(middle), known))];
}

/** Those that run what nothing before them does; short ones come first. */
async function withoutSuperfluous(
  target: Target,
  coverage: Coverage,
  seeds: readonly Uint8Array[],
  candidates: readonly Uint8Array[],
): Promise<Uint8Array[]> {
  const known: Known = new Map();
  await runAll(target, seeds);
  coverage.takeNew(known);
  const kept: Uint8Array[] = [];
  for (const bytes of [...candidates].sort((one, other) => one.length - other.length)) {
    await runOne(target, bytes);
    if (coverage.takeNew(known) > 0) {
      kept.push(bytes);
    }
  }
  return kept;
}
