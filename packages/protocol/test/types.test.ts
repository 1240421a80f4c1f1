/** What the compiler must know of records; `tsc -b` checks this file, running it proves little. */
import {
  type ACL,
  buffer,
  CreateTxn,
  type Encodable,
  type EncodableStat,
  type ErrorCode,
  type Infer,
  int,
  JuteWriter,
  long,
  nullable,
  record,
  type SetDataRequest,
  type Stat,
  ustring,
  vector,
  ZooKeeperError,
} from '@treekeeper/protocol';
import { expect, test } from 'vitest';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function assertType<T extends true>(proof?: T): void {
  expect(proof).toBeUndefined();
}

test('types are inferred from the declaration, field for field', () => {
  const Sample = record('Sample', { a: int, b: nullable(ustring), c: vector(record('In', { d: long })), e: buffer });
  type Decoded = {
    readonly a: number;
    readonly b: string | null;
    readonly c: { readonly d: bigint }[];
    readonly e: Uint8Array;
  };
  assertType<Equal<Infer<typeof Sample>, Decoded>>();
  type Given = {
    readonly a: number;
    readonly b: string | null;
    readonly c: readonly { readonly d: bigint | number }[];
    readonly e: Uint8Array;
  };
  assertType<Equal<Encodable<typeof Sample>, Given>>();
  assertType<Equal<Stat['czxid'], bigint>>();
  assertType<Equal<EncodableStat['czxid'], bigint | number>>();
  assertType<Equal<SetDataRequest['path'], string | null>>();
  assertType<Equal<Infer<typeof CreateTxn>['acl'], ACL[] | null>>();
});

test('what does not fit does not compile', () => {
  const writer = new JuteWriter();
  const good = { path: '/a', data: null, acl: [], ephemeral: false, parentCVersion: 1 } satisfies Encodable<
    typeof CreateTxn
  >;
  CreateTxn.encode(writer, good);
  // @ts-expect-error a field is missing
  expect(() => CreateTxn.encode(writer, { path: '/a', data: null, acl: [], ephemeral: false })).not.toThrow(TypeError);
  // @ts-expect-error the path of a transaction is never null
  CreateTxn.encode(writer, { ...good, path: null });
  // @ts-expect-error an int is no bigint
  expect(() => CreateTxn.encode(writer, { ...good, parentCVersion: 1n })).toThrow(TypeError);
  // @ts-expect-error there is no null int
  expect(() => nullable(int)).toThrow(TypeError);
  // @ts-expect-error no such code
  const code: ErrorCode = 'NO_SUCH_NODE';
  expect(() => new ZooKeeperError(code)).toThrow(TypeError);
});
