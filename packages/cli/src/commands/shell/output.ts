/** Everything that commands answer goes through here, once as text and once as a value: --output chooses. */
import type { Json, JsonRecord } from './format.ts';
import type { ShellIo } from './io.ts';

export const OUTPUT_FORMATS = ['text', 'json', 'table'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export class Output {
  readonly format: OutputFormat;
  readonly #io: ShellIo;
  /** Of the table whose rows come one by one. */
  #widths: number[] = [];

  constructor(format: OutputFormat, io: ShellIo) {
    this.format = format;
    this.#io = io;
  }

  /** Whether text may be coloured. */
  get colour(): boolean {
    return this.format === 'text' && this.#io.outColour;
  }

  /** A command's answer. An empty text prints nothing. */
  show(value: Json, text: string): void {
    if (this.format === 'json') {
      this.#line(JSON.stringify(value, null, 2));
    } else if (this.format === 'table') {
      this.#line(tableText(value));
    } else if (text !== '') {
      this.#line(text);
    }
  }

  /** One of several answers that come one by one: a line of text, a line of JSON, or a row. */
  emit(value: JsonRecord, text: string): void {
    if (this.format === 'json') {
      this.#line(JSON.stringify(value));
    } else if (this.format === 'table') {
      this.#row(value);
    } else {
      this.#line(text);
    }
  }

  /** The next `emit` begins a table of its own. */
  endRows(): void {
    this.#widths = [];
  }

  #row(value: JsonRecord): void {
    const cells = Object.values(value).map(cellText);
    if (this.#widths.length === 0) {
      const heads = Object.keys(value).map((name) => name.toUpperCase());
      this.#widths = heads.map((head, i) => Math.max(head.length, cells[i].length));
      this.#line(padded(heads, this.#widths));
    }
    this.#line(padded(cells, this.#widths));
  }

  /** Bytes as they are. */
  raw(text: string): void {
    this.#io.out(text);
  }

  #line(text: string): void {
    this.#io.out(`${text}\n`);
  }
}

function padded(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, i) => cell.padEnd(widths[i] ?? 0))
    .join('  ')
    .trimEnd();
}

function cellText(value: Json): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** A list of records has a column for each field; a record a row for each; anything else is itself. */
function tableText(value: Json): string {
  if (Array.isArray(value)) {
    const rows = value as readonly Json[];
    const records = rows.every((row) => typeof row === 'object' && row !== null && !Array.isArray(row));
    if (!records || rows.length === 0) {
      return rows.map(cellText).join('\n');
    }
    const flat = rows.map((row) => flattened(row as JsonRecord));
    const names = [...new Set(flat.flatMap((row) => Object.keys(row)))];
    const cells = flat.map((row) => names.map((name) => cellText(row[name] ?? '')));
    return grid([names.map((name) => name.toUpperCase()), ...cells]);
  }
  if (typeof value === 'object' && value !== null) {
    return grid(Object.entries(flattened(value as JsonRecord)).map(([name, cell]) => [name, cellText(cell)]));
  }
  return cellText(value);
}

/** A record within a record (a stat) adds its own fields. */
function flattened(record: JsonRecord): JsonRecord {
  const fields = Object.entries(record).map(([name, value]): JsonRecord => {
    const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isRecord ? (value as JsonRecord) : { [name]: value };
  });
  return Object.assign({}, ...fields);
}

function grid(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_cell, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => padded(row, widths)).join('\n');
}
