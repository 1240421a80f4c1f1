/** One `key = value` of a properties file, unescaped and trimmed. */
export interface PropertyEntry {
  readonly key: string;
  readonly value: string;
  /** The natural line on which it starts, from 1. */
  readonly line: number;
}

export interface PropertyFault {
  readonly line: number;
  readonly message: string;
}

/**
 * Reads the format of java.util.Properties, in which `zoo.cfg` and the configuration of an ensemble are written: `#` and
 * `!` comments, `=`, `:` or white space between key and value, a backslash at the end of a line to continue it, `\t \n
 * \r \f \uXXXX` escapes, any other escaped character standing for itself. Keys and values are then trimmed, as ZooKeeper
 * does. Text is UTF-8 (Java reads Latin-1 and expects `\uXXXX` for the rest; both agree on ASCII). Entries come in file
 * order, duplicates included.
 */
export function parseJavaProperties(text: string): { entries: PropertyEntry[]; faults: PropertyFault[] } {
  const entries: PropertyEntry[] = [];
  const faults: PropertyFault[] = [];
  for (const { content, line } of logicalLines(text)) {
    const keyEnd = endOfKey(content);
    try {
      const key = trim(unescaped(content.slice(0, keyEnd)));
      const value = trim(unescaped(content.slice(startOfValue(content, keyEnd))));
      entries.push({ key, value, line });
    } catch (error) {
      if (!(error instanceof MalformedEscape)) {
        throw error;
      }
      faults.push({ line, message: error.message });
    }
  }
  return { entries, faults };
}

class MalformedEscape extends Error {}

interface LogicalLine {
  readonly content: string;
  readonly line: number;
}

/** Joins continued lines and drops blank ones and comments. A comment is never continued: it ends with its line. */
function logicalLines(text: string): LogicalLine[] {
  const naturals = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  const lines: LogicalLine[] = [];
  for (let i = 0; i < naturals.length; i++) {
    let content = naturals[i].replace(/^[ \t\f]+/, '');
    if (content === '' || content[0] === '#' || content[0] === '!') {
      continue;
    }
    const line = i + 1;
    while (endsWithOddBackslashes(content)) {
      content = content.slice(0, -1);
      // A line that was nothing but its backslash continues nothing: what follows is a line of its own.
      if (content === '' || i + 1 >= naturals.length) {
        break;
      }
      i++;
      content += naturals[i].replace(/^[ \t\f]+/, '');
    }
    if (content !== '') {
      lines.push({ content, line });
    }
  }
  return lines;
}

function endsWithOddBackslashes(content: string): boolean {
  let count = 0;
  while (content[content.length - 1 - count] === '\\') {
    count++;
  }
  return count % 2 === 1;
}

function isBlank(char: string): boolean {
  return char === ' ' || char === '\t' || char === '\f';
}

/** The key ends before the first separator that is not escaped. */
function endOfKey(content: string): number {
  let i = 0;
  while (i < content.length) {
    const char = content[i];
    if (char === '=' || char === ':' || isBlank(char)) {
      return i;
    }
    i += char === '\\' ? 2 : 1;
  }
  return content.length;
}

/** Past blanks, at most one `=` or `:`, and blanks again. */
function startOfValue(content: string, keyEnd: number): number {
  let i = keyEnd;
  while (i < content.length && isBlank(content[i])) {
    i++;
  }
  if (content[i] === '=' || content[i] === ':') {
    i++;
  }
  while (i < content.length && isBlank(content[i])) {
    i++;
  }
  return i;
}

const LETTER_ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

function unescaped(text: string): string {
  if (!text.includes('\\')) {
    return text;
  }
  let result = '';
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '\\') {
      result += text[i];
      continue;
    }
    i++;
    if (i >= text.length) {
      break;
    }
    if (text[i] === 'u') {
      const digits = text.slice(i + 1, i + 5);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) {
        throw new MalformedEscape(
          `\\u must be followed by four hexadecimal digits, not '${digits}'; a backslash is written \\\\`,
        );
      }
      result += String.fromCharCode(Number.parseInt(digits, 16));
      i += 4;
    } else {
      result += LETTER_ESCAPES[text[i]] ?? text[i];
    }
  }
  return result;
}

/** Java's String.trim: everything up to and including the space, at both ends. */
function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text.charCodeAt(start) <= 0x20) {
    start++;
  }
  while (end > start && text.charCodeAt(end - 1) <= 0x20) {
    end--;
  }
  return text.slice(start, end);
}
