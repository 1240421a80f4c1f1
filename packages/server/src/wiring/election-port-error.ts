/** The election port cannot be had: the server ends (exit code 14). */
export class ElectionPortError extends Error {
  override readonly name = 'ElectionPortError';
}
