/** What the pure parts may say to the operator. The host writes it out (or the simulator into its trace). */
export interface Log {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}
