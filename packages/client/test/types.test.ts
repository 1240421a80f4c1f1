/** What the compiler makes of the public interface: these tests fail in `tsc`. */
import { describe, expectTypeOf, test } from 'vitest';
import {
  type Client,
  type Codec,
  type CreatedNode,
  connect,
  isTreekeeperError,
  json,
  type NodeValue,
  type ReadResult,
  type StandardSchema,
  type Stat,
  type TransactionChecked,
  type TransactionCreated,
  type TransactionSet,
  type TreekeeperError,
  type TreekeeperErrorCode,
  utf8,
  type Watch,
} from '../src/index.ts';

declare const client: Client;
interface Limits {
  readonly requests: number;
}
declare const schema: StandardSchema<{ requests: string }, Limits>;
/** Looked at by the compiler, never called. */
function never(_: () => unknown): void {}

describe('types', () => {
  test('values follow their codec', () => {
    never(() => {
      expectTypeOf(client.get('/a')).resolves.toEqualTypeOf<NodeValue<Uint8Array>>();
      expectTypeOf(client.get('/a', { codec: utf8 })).resolves.toEqualTypeOf<NodeValue<string>>();
      expectTypeOf(client.get('/a', { codec: json<Limits>() })).resolves.toEqualTypeOf<NodeValue<Limits>>();
      expectTypeOf(client.get('/a', { codec: json(schema) })).resolves.toEqualTypeOf<NodeValue<Limits>>();
      expectTypeOf(json(schema)).toEqualTypeOf<Codec<Limits, { requests: string }>>();
      return client;
    });
  });

  test('what is written follows it as well', () => {
    never(() => {
      expectTypeOf(client.set('/a', 'text')).resolves.toEqualTypeOf<Stat>();
      expectTypeOf(client.create('/a', null)).resolves.toEqualTypeOf<CreatedNode>();
      expectTypeOf(client.set('/a', { requests: '5' }, { codec: json(schema) })).resolves.toEqualTypeOf<Stat>();
      // @ts-expect-error: a number needs a codec
      void client.set('/a', 5);
      // @ts-expect-error: not what the schema takes
      void client.set('/a', { requests: 5 }, { codec: json(schema) });
      // @ts-expect-error: no such mode
      void client.create('/a', '', { mode: 'temporary' });
      // @ts-expect-error: misspelt
      void connect('h', { sesionTimeoutMs: 5 });
      return client;
    });
  });

  test('transactions and multiRead count their results', () => {
    never(() => {
      const commit = client.transaction().create('/a').set('/a', 'x').check('/b', 1).commit();
      expectTypeOf(commit).resolves.toEqualTypeOf<[TransactionCreated, TransactionSet, TransactionChecked]>();
      const reads = client.multiRead([{ get: '/a' }, { children: '/' }]);
      expectTypeOf(reads).resolves.toEqualTypeOf<
        [ReadResult<{ readonly get: '/a' }>, ReadResult<{ readonly children: '/' }>]
      >();
      return commit;
    });
  });

  test('errors narrow; longs are bigint; watches iterate', () => {
    const error: unknown = null;
    if (isTreekeeperError(error)) {
      expectTypeOf(error).toEqualTypeOf<TreekeeperError>();
      expectTypeOf(error.code).toEqualTypeOf<TreekeeperErrorCode>();
    }
    expectTypeOf<Stat['czxid']>().toEqualTypeOf<bigint>();
    expectTypeOf<Client['sessionId']>().toEqualTypeOf<bigint>();
    expectTypeOf<Client>().toExtend<AsyncDisposable>();
    expectTypeOf<Watch>().toExtend<AsyncDisposable>();
  });
});
