/** The order of writes without a quorum: there is none. Requests that would need one are refused before. */
import { assert } from '../assert.ts';
import type { Barrier } from './client-connection.ts';
import type { InFlight, OrderSource } from './order.ts';

export class NoOrder implements OrderSource {
  readonly inFlightCount = 0;
  readonly changesInFlight = 0;
  /** Between two roles memory holds what the log does. */
  readonly isEven = true;

  submit(): void {
    assert(false, 'a read-only server orders nothing');
  }

  submitMalformed(): void {
    this.submit();
  }

  openSession(): void {
    this.submit();
  }

  sync(): Barrier {
    this.submit();
    return { zxid: 0 };
  }

  nextInFlight(): InFlight | null {
    return null;
  }

  nextCommitted(): InFlight | null {
    return null;
  }

  apply(): boolean {
    this.submit();
    return false;
  }
}
