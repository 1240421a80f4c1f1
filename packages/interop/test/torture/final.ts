/** What is left of an episode, of which a test names only what it is about. */
import type { FinalState } from '../../src/torture/history.ts';

export function finalOf(named: Partial<FinalState>): FinalState {
  return {
    registers: new Map(),
    appended: new Map(),
    owned: [],
    watched: new Map(),
    closed: new Map(),
    ...named,
  };
}
