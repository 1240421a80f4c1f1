import { counted } from './format.ts';
import type { ShellIo } from './io.ts';

/** Work that is shorter than this shows no bar. */
const SHOWN_AFTER_MS = 500;
const REDRAWN_AFTER_MS = 100;
const BAR_CHARACTERS = 24;

/** How far long work has come: one line on the error output, if somebody is looking, taken away at the end. */
export class Progress implements Disposable {
  readonly #io: ShellIo;
  readonly #label: string;
  readonly #startMs = performance.now();
  #drawnMs = 0;
  #done = 0;
  #total: number | null;

  /** @param total null: not known */
  constructor(io: ShellIo, label: string, total: number | null = null) {
    this.#io = io;
    this.#label = label;
    this.#total = total;
  }

  /** So many nodes more are done. */
  step(count = 1): void {
    this.#done += count;
    const nowMs = performance.now();
    const isDue = nowMs - this.#startMs >= SHOWN_AFTER_MS && nowMs - this.#drawnMs >= REDRAWN_AFTER_MS;
    if (this.#io.errIsTerminal && isDue) {
      this.#drawnMs = nowMs;
      this.#io.err(`\r\u001b[K${progressText(this.#label, this.#done, this.#total, nowMs - this.#startMs)}`);
    }
  }

  [Symbol.dispose](): void {
    if (this.#drawnMs > 0) {
      this.#io.err('\r\u001b[K');
    }
  }
}

/** `copying  [########----------------]  33%  1000 of 3000, 2 s left`. */
export function progressText(label: string, done: number, total: number | null, elapsedMs: number): string {
  if (total === null || total === 0) {
    return `${label}  ${counted(done, 'node')}`;
  }
  const part = Math.min(1, done / total);
  const filled = Math.round(part * BAR_CHARACTERS);
  const bar = '#'.repeat(filled) + '-'.repeat(BAR_CHARACTERS - filled);
  const leftS = part === 0 ? null : Math.ceil(((elapsedMs / part) * (1 - part)) / 1000);
  const left = leftS === null ? '' : `, ${leftS} s left`;
  return `${label}  [${bar}] ${String(Math.floor(part * 100)).padStart(3)}%  ${done} of ${total}${left}`;
}
