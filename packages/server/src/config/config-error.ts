/** Where a setting came from. */
export type Origin =
  | { readonly kind: 'default' }
  /** What a server has that was started without a file. */
  | { readonly kind: 'embedded' }
  /** `line` counts from 1; 0 when the fault is about the file as a whole. */
  | { readonly kind: 'file'; readonly file: string; readonly line: number }
  | { readonly kind: 'command-line' }
  | { readonly kind: 'environment'; readonly variable: string };

/** An origin as an operator reads it: `zoo.cfg:12`, `command line`, `SERVER_JVMFLAGS`, `default`. */
export function describeOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'default':
      return 'default';
    case 'embedded':
      return 'embedded default';
    case 'file':
      return origin.line === 0 ? origin.file : `${origin.file}:${origin.line}`;
    case 'command-line':
      return 'command line';
    case 'environment':
      return origin.variable;
  }
}

/** One thing to tell the operator about the configuration: a fault that stops the server, a warning or a note. */
export interface Notice {
  readonly origin: Origin;
  /** The key it is about, as it was written; null when it is about the whole. */
  readonly key: string | null;
  /** What is the matter and what to do about it, without the origin. */
  readonly message: string;
}

/** `zoo.cfg:12: tickTime=x is not ...`, one line. */
export function formatNotice(notice: Notice): string {
  return notice.origin.kind === 'default' ? notice.message : `${describeOrigin(notice.origin)}: ${notice.message}`;
}

/** The configuration cannot be used. Carries every fault that was found, not only the first. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly Notice[];
  /** What else was noticed on the way, so that one run shows all there is to mend. */
  readonly warnings: readonly Notice[];

  constructor(faults: readonly Notice[], warnings: readonly Notice[] = []) {
    super(faults.map(formatNotice).join('\n'));
    this.faults = faults;
    this.warnings = warnings;
  }
}
