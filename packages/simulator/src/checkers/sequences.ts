/** No two creates below one parent are ever told the same sequential name. */
import { isSequentialMode, OpCode } from '@treekeeper/protocol';
import { type ModelState, type ModelTxn, partsOf } from '../model/state.ts';
import { parentOf } from '../model/tree.ts';
import type { ClientRequest, MultiPart } from '../requests.ts';
import { check } from './violation.ts';

export class SequenceChecker {
  readonly #acknowledged = new Set<string>();

  /** A write has been acknowledged; `state` is the one after it. */
  acknowledged(request: ClientRequest, txn: ModelTxn, state: ModelState): void {
    if (request.kind === 'create') {
      this.#one(request, txn, state);
    } else if (request.kind === 'multi' && txn.type === OpCode.multi) {
      const parts = partsOf(txn.value);
      if (!parts.some(({ type }) => type === OpCode.error)) {
        request.parts.forEach((part, i) => {
          this.#one(part, parts[i], state);
        });
      }
    }
  }

  #one(request: MultiPart, txn: ModelTxn, { tree }: ModelState): void {
    if (request.kind !== 'create' || !isSequentialMode(request.flags) || !('path' in txn.value)) {
      return;
    }
    const { path } = txn.value;
    const parent = tree.nodes.get(parentOf(path));
    if (parent === undefined) {
      return; // deleted again in the same multi
    }
    const name = `${path} of the parent made by ${parent.czxid}`;
    check(!this.#acknowledged.has(name), 'sequences', () => `${name} was given twice`);
    this.#acknowledged.add(name);
  }
}
