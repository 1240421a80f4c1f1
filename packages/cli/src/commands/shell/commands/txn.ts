import { TreekeeperError } from '@treekeeper/client';
import { UsageError } from '../../../terminal.ts';
import { ShellError } from '../explain.ts';
import { counted } from '../format.ts';
import type { Shell, ShellCommand } from '../shell.ts';
import { words } from '../tokens.ts';

/** The methods of a transaction, without the types that count its results. */
interface Steps {
  create(path: string, value: string | null): Steps;
  set(path: string, value: string, options: { readonly version: number }): Steps;
  delete(path: string, options: { readonly version: number }): Steps;
  check(path: string, version: number): Steps;
  commit(options: { readonly signal: AbortSignal }): Promise<unknown[]>;
}

const FORMS = {
  create: 'create PATH [DATA]',
  set: 'set PATH DATA [VERSION]',
  delete: 'delete PATH [VERSION]',
  check: 'check PATH VERSION',
} as const;

export const txn: ShellCommand = {
  name: 'txn',
  group: 'nodes',
  summary: `Do several things at one moment, or none of them: ${Object.values(FORMS).join(', ')}`,
  parameters: [{ name: 'operation', kind: 'text', rest: true }],
  examples: [`txn 'check /config 3' 'set /config/limit 20' 'delete /config/old'`],
  async run(shell, args) {
    let steps = shell.client.transaction() as unknown as Steps;
    for (const operation of args.rest) {
      steps = add(shell, steps, operation);
    }
    try {
      await steps.commit({ signal: shell.signal });
    } catch (error) {
      if (error instanceof TreekeeperError && error.path !== undefined) {
        throw new ShellError(`${error.message}: nothing was done`);
      }
      throw error;
    }
    const { length } = args.rest;
    shell.output.show({ operations: length }, `Done: ${counted(length, 'operation')} at one moment`);
  },
};

/** @throws UsageError */
function add(shell: Shell, steps: Steps, operation: string): Steps {
  const [name = '', path, ...others] = words(operation);
  const form = Object.hasOwn(FORMS, name) ? FORMS[name as keyof typeof FORMS] : undefined;
  const most = { create: 1, set: 2, delete: 1, check: 1 }[name] ?? 0;
  const least = name === 'set' || name === 'check' ? 1 : 0;
  if (form === undefined || path === undefined || others.length < least || others.length > most) {
    const known = form ?? Object.values(FORMS).join(', ');
    throw new UsageError(`'${operation}' is no operation of a transaction; write ${known}`);
  }
  const full = shell.resolve(path);
  const [data = null] = others;
  switch (name as keyof typeof FORMS) {
    case 'create':
      return steps.create(full, data);
    case 'set':
      return steps.set(full, data ?? '', { version: version(others[1], operation) });
    case 'delete':
      return steps.delete(full, { version: version(others[0], operation) });
    case 'check':
      return steps.check(full, version(others[0], operation));
  }
}

/** @throws UsageError */
function version(text: string | undefined, operation: string): number {
  if (text !== undefined && !/^(-1|\d{1,9})$/.test(text)) {
    throw new UsageError(`'${operation}': ${text} is no version`);
  }
  return text === undefined ? -1 : Number(text);
}
