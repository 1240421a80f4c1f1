/**
 * A server named so often that a client whose connections are cut again and again makes the next one without a pause,
 * which comes only when all have been tried.
 */
export function manyTimes(address: string): string {
  return Array.from({ length: 50 }, () => address).join();
}
