/**
 * Compiles a record declaration into straight-line encode and decode functions: 4–10 times the speed of walking it
 * (docs/decisions/0003-compiled-codec.md). The source text comes from our own declarations alone, never from input.
 */
import { bytesMin, decodeFields, encodeFields } from './interpret.ts';
import type { JuteReader } from './reader.ts';
import type { Fields, FieldType } from './types.ts';
import type { JuteWriter } from './writer.ts';

export type Encode = (writer: JuteWriter, value: never) => void;
export type Decode = (reader: JuteReader) => unknown;

export function compileEncode(name: string, fields: Fields): Encode {
  const source = `// ${name}\n${encodeSource(fields, 'value', { next: 0 })}`;
  return generated(['writer', 'value'], source) ?? ((writer, value) => encodeFields(writer, fields, value));
}

export function compileDecode(name: string, fields: Fields): Decode {
  return generated(['reader'], `// ${name}\n${decodeSource(fields)}`) ?? ((reader) => decodeFields(reader, fields));
}

/** Null where code generation is forbidden. */
function generated<F extends Encode | Decode>(parameters: string[], source: string): F | null {
  try {
    return new Function(...parameters, source) as F;
  } catch (error) {
    if (error instanceof EvalError) {
      return null;
    }
    throw error;
  }
}

/** Numbers the variables of one function, so that no two of them share a name. */
interface Names {
  next: number;
}

function encodeSource(fields: Fields, value: string, names: Names): string {
  return Object.entries(fields)
    .map(([name, type]) => encodeStatement(type, `${value}.${name}`, names))
    .join('\n');
}

function encodeStatement(type: FieldType, value: string, names: Names): string {
  switch (type.kind) {
    case 'record':
      return encodeSource(type.fields, value, names);
    case 'vector': {
      const list = `list${names.next}`;
      const element = `element${names.next++}`;
      return `const ${list} = ${value};
        if (${list} === null) writer.int(-1);
        else {
          writer.int(${list}.length);
          for (const ${element} of ${list}) { ${encodeStatement(type.element, element, names)} }
        }`;
    }
    default:
      return `writer.${type.kind}(${value});`;
  }
}

function decodeSource(fields: Fields): string {
  const statements: string[] = [];
  const result = decodeExpression({ kind: 'record', fields } as FieldType, statements, { next: 0 });
  return `${statements.join('\n')}\nreturn ${result};`;
}

/** Emits the statements that read `type` in wire order and returns the expression that holds its value. */
function decodeExpression(type: FieldType, statements: string[], names: Names): string {
  const variable = `v${names.next++}`;
  switch (type.kind) {
    case 'record': {
      const parts = Object.entries(type.fields).map(
        ([name, field]) => `${name}: ${decodeExpression(field, statements, names)}`,
      );
      return `{ ${parts.join(', ')} }`;
    }
    case 'vector': {
      const body: string[] = [];
      const element = decodeExpression(type.element, body, names);
      const count = type.nullable ? 'nullableCount' : 'count';
      statements.push(`const n${variable} = reader.${count}(${bytesMin(type.element)});
        const ${variable} = n${variable} < 0 ? null : [];
        for (let i = 0; i < n${variable}; i++) { ${body.join('\n')} ${variable}.push(${element}); }`);
      return variable;
    }
    case 'ustring':
    case 'buffer': {
      const method = type.nullable ? `nullable${type.kind[0].toUpperCase()}${type.kind.slice(1)}` : type.kind;
      statements.push(`const ${variable} = reader.${method}();`);
      return variable;
    }
    default:
      statements.push(`const ${variable} = reader.${type.kind}();`);
      return variable;
  }
}
