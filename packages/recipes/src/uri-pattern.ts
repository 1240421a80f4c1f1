/** Patterns of URIs: text with `{fields}` that are filled in from an instance, as Curator's UriSpec. */

/** A piece of a pattern, as it stands in an instance's node. */
export interface UriPart {
  readonly value: string;
  readonly variable: boolean;
}

/** Throws TypeError for braces that do not match. */
export function partsOf(pattern: string): UriPart[] {
  const parts: UriPart[] = [];
  for (const [text, field] of pattern.matchAll(/\{([^{}]*)\}|[^{}]+|[{}]/g)) {
    if (text === '{' || text === '}') {
      throw new TypeError(`the braces of ${JSON.stringify(pattern)} do not match; a literal one is {[} or {]}`);
    }
    parts.push(field === undefined ? { value: text, variable: false } : { value: field.trim(), variable: true });
  }
  return parts;
}

/** Fields that are not known are left out. */
export function filled(parts: readonly UriPart[], fields: ReadonlyMap<string, string>): string {
  return parts.map(({ value, variable }) => (variable ? (fields.get(value) ?? '') : value)).join('');
}
