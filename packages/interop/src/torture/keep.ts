/** What is left of a history in which something is wrong, for people. */
import { writeFileSync } from 'node:fs';
import type { AnyCall, FinalState, History } from './history.ts';
import type { Violation } from './judge.ts';

/** JSON lines: what is wrong, then every call in the order of sending, then what was there in the end. */
export function keepHistory(
  file: string,
  violations: readonly Violation[],
  history: History,
  final: FinalState | null,
): void {
  const lines = [
    ...violations,
    ...history.calls.map(plain),
    ...history.pursuits.map(({ session, tree, ...rest }) => ({
      ...rest,
      session: session.id,
      tree: [...(tree ?? [])],
    })),
    ...history.sessions,
    ...(final === null
      ? []
      : [...final.registers, ...final.appended, ...final.watched, ...final.closed].map(([path, state]) => ({
          path,
          ...state,
        }))),
    ...(final === null ? [] : final.owned.map((path) => ({ path, kind: 'ephemeral' }))),
  ];
  writeFileSync(file, `${lines.map((line) => JSON.stringify(line, hexadecimal)).join('\n')}\n`);
}

function plain(call: AnyCall): object {
  const { session, ...rest } = call;
  return { ...rest, session: session.id };
}

function hexadecimal(_key: string, part: unknown): unknown {
  return typeof part === 'bigint' ? `0x${part.toString(16)}` : part;
}
