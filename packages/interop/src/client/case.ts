import type { Client, WatchEvent } from '@treekeeper/client';
import type { Flavour } from '../servers.ts';

/** What a case of the client's behaviour has to work with. */
export interface CaseContext {
  /** Connected, with an empty tree of its own as root. */
  readonly client: Client;
  /** `host:port` of the server. */
  readonly server: string;
  /** The case's own tree, from the real root. */
  readonly root: string;
  readonly flavour: Flavour;
}

/** A thing that the client does, against whatever server. Fails by throwing. */
export interface BehaviourCase {
  readonly name: string;
  run(context: CaseContext): Promise<void>;
}

/** A listener that keeps what it is told, and the promise of the first event. */
export function eventRecorder(): {
  readonly events: WatchEvent[];
  readonly listener: (event: WatchEvent) => void;
  readonly first: Promise<WatchEvent>;
} {
  const events: WatchEvent[] = [];
  let resolve: (event: WatchEvent) => void = () => undefined;
  const first = new Promise<WatchEvent>((done) => {
    resolve = done;
  });
  const listener = (event: WatchEvent): void => {
    events.push(event);
    resolve(event);
  };
  return { events, listener, first };
}

/** `type path` of each: zxids differ from server to server. */
export function told(events: readonly WatchEvent[]): string[] {
  return events.map(({ type, path }) => `${type} ${path}`);
}

/** The next so many events of a watch. */
export async function take(watch: AsyncIterator<WatchEvent, undefined>, count: number): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  while (events.length < count) {
    const { value, done } = await watch.next();
    if (done === true) {
      break;
    }
    events.push(value);
  }
  return events;
}
