/** A program that runs while something is held, and not longer: for `lock` and `elect`. */
import { spawn } from 'node:child_process';
import type { Hold } from '@treekeeper/recipes';
import { EXIT } from './explain.ts';
import { reasonOf } from './format.ts';
import type { Shell } from './shell.ts';

/** A program that does not end when it is asked to is killed after this. */
const GRACE_MS = 5000;

/** How the program ended. */
export interface Ended {
  readonly exitCode: number;
  /** Why what was held was lost before; null if it was not. */
  readonly lost: string | null;
}

/**
 * Runs the program with TREEKEEPER_TOKEN in its environment, which rises with every holder. It is told to end (SIGTERM)
 * when the hold is lost, or on Ctrl-C.
 */
export async function runWhileHeld(shell: Shell, hold: Hold, [file, ...args]: readonly string[]): Promise<Ended> {
  const env = { ...process.env, TREEKEEPER_TOKEN: String(hold.token) };
  const exitCode = await shell.lendTerminal(async () => {
    const child = spawn(file, args, { stdio: 'inherit', env });
    let killer: NodeJS.Timeout | undefined;
    const end = (): void => {
      child.kill('SIGTERM');
      killer ??= setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    };
    hold.signal.addEventListener('abort', end, { once: true });
    shell.signal.addEventListener('abort', end, { once: true });
    try {
      return await new Promise<number>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', (status, signal) => resolve(status ?? (signal === null ? EXIT.failed : EXIT.interrupted)));
      });
    } finally {
      clearTimeout(killer);
      hold.signal.removeEventListener('abort', end);
      shell.signal.removeEventListener('abort', end);
    }
  });
  return { exitCode, lost: hold.signal.aborted ? reasonOf(hold.signal.reason) : null };
}

/** Gives up waiting after so long, or on Ctrl-C. */
export function waitingSignal(shell: Shell, timeoutMs: number | undefined): AbortSignal {
  return timeoutMs === undefined ? shell.signal : AbortSignal.any([shell.signal, AbortSignal.timeout(timeoutMs)]);
}
