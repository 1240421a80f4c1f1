import { CheckVersionRequest, OpCode, type Stat } from '@treekeeper/protocol';
import { bytes, type Codec, encodeValue } from './codec.ts';
import type { Driver } from './driver.ts';
import { codeOfNumber, TreekeeperError } from './errors.ts';
import { type MultiPart, type MultiPartResult, multiOperation } from './multi.ts';
import { newNode } from './new-node.ts';
import { operations } from './operations.ts';
import { toClient, toServer } from './rooted-path.ts';
import type { WireOperation } from './session/types.ts';
import type { Transaction, TransactionResult } from './transaction-types.ts';
import type { CallOptions, NewNodeOptions } from './types.ts';

type AnyCodec = Codec<unknown, never>;
type Step = MultiPart & { readonly kind: TransactionResult['kind']; readonly path: string };

const checkOperation: WireOperation = {
  opcode: OpCode.check,
  isRead: false,
  encode: (writer, body) => CheckVersionRequest.encode(writer, body),
  decode: () => null,
};

/** An earlier operation failed, or a later one: this one is not the culprit. */
const RUNTIME_INCONSISTENCY = -2;

/** Collects operations; every one is checked, and its value encoded, when it is added. */
export class TransactionBuilder {
  readonly #driver: Driver;
  readonly #root: string;
  readonly #steps: Step[] = [];

  private constructor(driver: Driver, root: string) {
    this.#driver = driver;
    this.#root = root;
  }

  static begin(driver: Driver, root: string): Transaction {
    // Each method returns this very object; the types count what it will result in.
    return new TransactionBuilder(driver, root) as unknown as Transaction;
  }

  create(path: string, value: unknown = '', options: NewNodeOptions & { codec?: AnyCodec } = {}): this {
    const data = encodeValue(options.codec ?? bytes, value, 'create', path);
    const { operation, body } = newNode(this.#root, path, data, options, this.#driver.settings.acl);
    return this.#add({ kind: 'create', path, operation, body });
  }

  set(path: string, value: unknown, options: { version?: number; codec?: AnyCodec } = {}): this {
    const data = encodeValue(options.codec ?? bytes, value, 'set', path);
    const body = { path: toServer(this.#root, path, 'set'), data, version: options.version ?? -1 };
    return this.#add({ kind: 'set', path, operation: operations.set, body });
  }

  delete(path: string, options: { version?: number } = {}): this {
    // As by Client.delete, the root of a view cannot be removed through it.
    const full = path === '/' ? path : toServer(this.#root, path, 'delete');
    const body = { path: full, version: options.version ?? -1 };
    return this.#add({ kind: 'delete', path, operation: operations.delete, body });
  }

  check(path: string, version: number): this {
    const body = { path: toServer(this.#root, path, 'check'), version };
    return this.#add({ kind: 'check', path, operation: checkOperation, body });
  }

  async commit(options?: CallOptions): Promise<TransactionResult[]> {
    if (this.#steps.length === 0) {
      return [];
    }
    const steps = [...this.#steps];
    const terms = this.#driver.terms(options);
    return await this.#driver.call(multiOperation, steps, 'commit', undefined, terms, null, {
      finish: (results: MultiPartResult[]) => this.#finish(steps, results),
    });
  }

  #add(step: Step): this {
    this.#steps.push(step);
    return this;
  }

  #finish(steps: readonly Step[], results: readonly MultiPartResult[]): TransactionResult[] {
    const failedIndex = results.findIndex(
      (result) => result.kind === 'error' && result.errorNumber !== 0 && result.errorNumber !== RUNTIME_INCONSISTENCY,
    );
    const failed = results[failedIndex];
    if (failed?.kind === 'error') {
      throw failure(steps[failedIndex] as Step, failedIndex, failed.errorNumber);
    }
    return steps.map((step, i) => this.#result(step, results[i]));
  }

  #result({ kind }: Step, result: MultiPartResult | undefined): TransactionResult {
    if (kind === 'create' && result?.kind === 'created') {
      return { kind, path: toClient(this.#root, result.path), stat: result.stat };
    }
    if (kind === 'set' && result?.kind === 'stat') {
      return { kind, stat: result.stat as Stat };
    }
    if ((kind === 'delete' || kind === 'check') && result?.kind === 'done') {
      return { kind };
    }
    throw new TreekeeperError('SYSTEM_ERROR', {
      operation: 'commit',
      message: `the server answered ${result?.kind ?? 'nothing'} to a ${kind}; whether the transaction was done is unknown`,
    });
  }
}

function failure({ kind, path }: Step, failedIndex: number, errorNumber: number): TreekeeperError {
  const code = codeOfNumber(errorNumber);
  return new TreekeeperError(code, {
    operation: 'commit',
    path,
    failedIndex,
    message: `operation ${failedIndex} of the transaction, ${kind} ${path}, was refused; nothing was done`,
  });
}
