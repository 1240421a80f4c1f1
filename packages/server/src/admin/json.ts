import { Double } from './format.ts';

/**
 * What the HTTP commands answer with. Session ids are bigints and print as exact 64-bit integers, which JSON.stringify
 * cannot; a Map keeps its order where keys look like numbers, and any path is a safe key in it.
 */
export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Double
  | readonly JsonValue[]
  | ReadonlyMap<string, JsonValue>
  | { readonly [key: string]: JsonValue };

/** ZooKeeper's layout: two spaces, `"key" : value`, one line per member, array elements side by side. */
export function printJson(value: JsonValue, indent = ''): string {
  if (value === null || typeof value !== 'object') {
    return typeof value === 'string' ? JSON.stringify(value) : `${value}`;
  }
  if (value instanceof Double) {
    return `${value}`;
  }
  if (Array.isArray(value)) {
    return value.length === 0 ? '[ ]' : `[ ${value.map((element) => printJson(element, indent)).join(', ')} ]`;
  }
  const members = value instanceof Map ? [...value] : Object.entries(value);
  if (members.length === 0) {
    return '{ }';
  }
  const inner = `${indent}  `;
  const lines = members.map(([key, member]) => `${inner}${JSON.stringify(key)} : ${printJson(member, inner)}`);
  return `{\n${lines.join(',\n')}\n${indent}}`;
}
