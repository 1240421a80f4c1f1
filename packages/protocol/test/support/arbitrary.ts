import type { FieldType, RecordType } from '@treekeeper/protocol';
import * as protocol from '@treekeeper/protocol';
import fc from 'fast-check';

/** Every record that the package declares, by its exported name. */
export const declaredRecords = Object.entries<unknown>(protocol).filter(
  (entry): entry is [string, RecordType] =>
    typeof entry[1] === 'object' && (entry[1] as { kind?: unknown }).kind === 'record',
);

/** Any value that a field of this type can hold: what decoding yields and encoding takes. */
export function anyValue(type: FieldType): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'boolean':
      return fc.boolean();
    case 'int':
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    case 'long':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 'ustring':
      return orNull(type.nullable, fc.string({ unit: 'binary', maxLength: 40 }));
    case 'buffer':
      return orNull(type.nullable, fc.uint8Array({ maxLength: 90 }));
    case 'vector':
      return orNull(type.nullable, fc.array(anyValue(type.element), { maxLength: 4 }));
    case 'record':
      return anyRecord(type);
  }
}

export function anyRecord(type: RecordType): fc.Arbitrary<Record<string, unknown>> {
  const fields = Object.entries(type.fields).map(([name, field]) => [name, anyValue(field)]);
  return fc.record(Object.fromEntries(fields), { noNullPrototype: true }) as fc.Arbitrary<Record<string, unknown>>;
}

function orNull<T>(nullable: boolean, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return nullable ? fc.option(arbitrary, { nil: null }) : arbitrary;
}
