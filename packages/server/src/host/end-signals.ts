/** SIGTERM and SIGINT: a server that is told to end finishes what it has begun, however often it is told. */
import type { EventEmitter } from 'node:events';
import type { Log } from '../io/log.ts';

/**
 * Calls `stop` once, at the first signal. Those behind it only leave a line in the log: npm passes on what the terminal
 * has sent to all, a service manager and an operator may both send one, and what is in flight is not to be cut off.
 *
 * @param source the process, which ends at once by a signal that nobody listens to
 */
export function onEndSignal(source: EventEmitter, log: Log, stop: () => void): void {
  let isStopping = false;
  for (const signal of ['SIGTERM', 'SIGINT']) {
    source.on(signal, () => {
      if (isStopping) {
        log.info(`${signal}: stopping already`);
        return;
      }
      isStopping = true;
      log.info(`${signal}: stopping`);
      stop();
    });
  }
}
