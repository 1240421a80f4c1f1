import { type ConfigError, formatNotice, type Notice } from '@treekeeper/server/config';
import { complain, type Terminal } from './terminal.ts';

export function showWarnings(terminal: Terminal, warnings: readonly Notice[]): void {
  for (const warning of warnings) {
    complain(terminal, 'yellow', 'warning', formatNotice(warning));
  }
}

/** Everything that is wrong with a configuration, and what else was noticed. */
export function showConfigError(terminal: Terminal, error: ConfigError): void {
  showWarnings(terminal, error.warnings);
  for (const fault of error.faults) {
    complain(terminal, 'red', 'error', formatNotice(fault));
  }
}
