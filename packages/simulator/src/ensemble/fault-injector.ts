/** Has the faults of a plan happen, each at its time, and undoes them when theirs is over. */
import type { Fault, Target, Way } from './faults.ts';
import { requestFor } from './operator.ts';
import type { Release } from './releases.ts';
import { type SimulatedServer, STEP_MS_MAX } from './server.ts';
import type { EnsembleWorld } from './world.ts';

/** When clients are in a hurry, in shares of a fault's time: as it begins, and while it lasts. */
const RUSHES = [0, 0.3, 0.7];
/** Some answers have come after so many of the longest delays, and some have not. */
const REPLY_DELAYS = 4;
/** An operator asks again after so many ticks, and so often. */
const RECONFIG_TICKS = 3;
const RECONFIG_TRIES = 4;

export class FaultInjector {
  readonly #world: EnsembleWorld;
  /** What is to be done when everything is healed, if it has not been done before. */
  readonly #undo = new Set<() => void>();
  #isHealed = false;

  constructor(world: EnsembleWorld) {
    this.#world = world;
  }

  plan(faults: readonly Fault[]): void {
    for (const fault of faults) {
      this.#world.events.after(fault.atMs - this.#world.events.nowMs, () => {
        if (!this.#isHealed) {
          this.#happen(fault);
        }
      });
    }
  }

  /** From here on nothing fails, and everybody is there. */
  heal(): void {
    this.#isHealed = true;
    for (const undo of this.#undo) {
      undo();
    }
    this.#undo.clear();
    for (const server of this.#world.servers.values()) {
      if (server.starts > 0) {
        this.#world.startServer(server);
      }
    }
  }

  #happen(fault: Fault): void {
    this.#world.coverage.happened(fault.kind);
    this.#world.tell(() => `fault: ${JSON.stringify(fault)}`);
    for (const share of fault.rush ? RUSHES : []) {
      this.#world.events.after(share * fault.ms, () => this.#rush(fault.resets && share > 0));
    }
    const undo = this.#begin(fault);
    if (undo === null) {
      return;
    }
    const once = (): void => {
      if (this.#undo.delete(once)) {
        undo();
      }
    };
    this.#undo.add(once);
    this.#world.events.after(fault.ms, once);
  }

  /** Everybody asks for a lot at once; connections may break when the first answers are there. */
  #rush(withResets: boolean): void {
    if (this.#isHealed) {
      return;
    }
    const { clients, events, plan } = this.#world;
    for (const client of clients) {
      client.hurry();
      if (withResets) {
        events.after(REPLY_DELAYS * plan.clientNetwork.delayMsMax, () => client.port?.cut());
      }
    }
  }

  #server(target: Target): SimulatedServer | undefined {
    const { leader, observerMaster, servers } = this.#world;
    return target === 'leader' ? leader : target === 'observer master' ? observerMaster : servers.get(target);
  }

  /** Returns what undoes it; null: nothing has to be undone. */
  #begin(fault: Fault): (() => void) | null {
    const { servers, links, clients } = this.#world;
    switch (fault.kind) {
      case 'kill':
      case 'power loss':
        return this.#end(this.#server(fault.target), fault.kind);
      case 'power loss everywhere':
        return all([...servers.values()].map((server) => this.#end(server, 'power loss')));
      case 'kill everyone':
        return all([...servers.values()].map((server) => this.#end(server, 'kill')));
      case 'wipe':
        return this.#wipe(this.#server(fault.target));
      case 'bit rot':
        return this.#rot(this.#server(fault.target), fault);
      case 'hand-over':
        this.#world.leader?.handOver(fault.heir);
        return null;
      case 'reconfig':
        this.#reconfigure(fault);
        return null;
      case 'other release':
        return this.#replaceProgram(this.#server(fault.target), fault.release);
      case 'epoch ahead':
        return this.#promise(this.#server(fault.target), fault.by);
      case 'pause':
        return this.#pause(this.#server(fault.target));
      case 'isolation':
        return this.#isolate(this.#server(fault.target), fault.way);
      case 'partition':
        return this.#part(fault.side, fault.way);
      case 'cut':
        return this.#cut(fault.one, fault.other, fault.way);
      case 'flapping':
        return this.#flap(fault.one, fault.other, fault.periodMs);
      case 'slow link':
        return this.#slowLink(fault.one, fault.other, fault.extraMs);
      case 'slow server':
        return this.#slowServer(this.#server(fault.target), fault.extraMs);
      case 'reset':
        links.breakBetween(fault.one, fault.other);
        return null;
      case 'slow disk':
      case 'full disk':
      case 'failing disk':
      case 'clock jump':
        return this.#onServer(fault, this.#server(fault.target));
      case 'silent client': {
        const client = clients[fault.client];
        client.setSilent(true);
        return () => client.setSilent(false);
      }
      case 'client reset':
        clients[fault.client].port?.cut();
        return null;
      case 'client cut':
        return this.#cutClient(clients[fault.client].hostId, this.#server(fault.target));
    }
  }

  #end(server: SimulatedServer | undefined, how: 'kill' | 'power loss'): (() => void) | null {
    if (server === undefined || server.process === null) {
      return null;
    }
    server.end(how);
    return () => this.#world.startServer(server);
  }

  #wipe(server: SimulatedServer | undefined): (() => void) | null {
    if (server === undefined || !this.#maySpare(server)) {
      return null;
    }
    this.#world.coverage.happened('disk replaced');
    server.end('kill');
    server.wipe();
    this.#world.referee.wiped(server.serverId);
    return () => this.#world.startServer(server);
  }

  /** Servers that are to be members come up; then the operator asks, again and again until it is done. */
  #reconfigure(fault: Fault & { kind: 'reconfig' }): void {
    const { events, servers, clients, plan } = this.#world;
    const operator = clients.find((_, i) => plan.clients[i].isOperator === true);
    for (const { serverId } of fault.joining) {
      const server = servers.get(serverId);
      if (server !== undefined) {
        this.#world.startServer(server);
      }
    }
    const ask = (triesLeft: number): void => {
      const asked = operator?.request(requestFor(fault, this.#world.configuration));
      events.after(RECONFIG_TICKS * plan.settings.tickTimeMs, () => {
        const isDone = asked?.phase === 'done' && asked.failure === null;
        if (!isDone && triesLeft > 0 && !this.#isHealed) {
          ask(triesLeft - 1);
        }
      });
    };
    ask(RECONFIG_TRIES);
  }

  /**
   * A voter that forgets breaks its word, unless the others hold whatever it has acknowledged: only then its files may
   * suffer, and not those of one that decides alone. Nobody may have an election under way that it has voted in,
   * either.
   */
  #maySpare({ serverId }: SimulatedServer): boolean {
    const { members, referee, configuration, isWhole } = this.#world;
    const others = members.map(({ serverId: id }) => id).filter((id) => id !== serverId);
    return !configuration.hasQuorum(new Set([serverId])) && isWhole && referee.holdEverything(others);
  }

  /** Whether the others can go on without it: who finds its files damaged does not vote. */
  #suffices({ serverId }: SimulatedServer): boolean {
    const { configuration } = this.#world;
    return configuration.hasQuorum(new Set(configuration.voters.filter((id) => id !== serverId)));
  }

  #rot(server: SimulatedServer | undefined, { file, place }: Fault & { kind: 'bit rot' }): (() => void) | null {
    if (server === undefined || !this.#maySpare(server) || !this.#suffices(server)) {
      return null;
    }
    server.end('kill');
    if (server.damage(file, place)) {
      this.#world.coverage.happened('file damaged');
      this.#world.referee.wiped(server.serverId); // what it holds shows when it has recovered
    }
    return () => this.#world.startServer(server);
  }

  #replaceProgram(server: SimulatedServer | undefined, release: Release): (() => void) | null {
    if (server === undefined || server.process === null) {
      return null;
    }
    server.end('kill');
    server.release = release;
    return () => this.#world.startServer(server);
  }

  /** As a leader that came to nothing leaves it behind. */
  #promise(server: SimulatedServer | undefined, by: number): (() => void) | null {
    if (server === undefined || server.process === null) {
      return null;
    }
    server.end('kill');
    server.promiseEpoch(by);
    return () => this.#world.startServer(server);
  }

  #pause(server: SimulatedServer | undefined): (() => void) | null {
    const process = server?.process ?? null;
    if (process === null) {
      return null;
    }
    process.pause();
    return () => process.resume();
  }

  #isolate(server: SimulatedServer | undefined, way: Way): (() => void) | null {
    if (server === undefined) {
      return null;
    }
    const others = this.#world.serverIds.filter((id) => id !== server.serverId);
    return all(others.map((other) => this.#cut(server.serverId, other, way)));
  }

  #part(side: readonly number[], way: Way): () => void {
    const others = this.#world.serverIds.filter((id) => !side.includes(id));
    return all(side.flatMap((one) => others.map((other) => this.#cut(one, other, way))));
  }

  #cut(one: number, other: number, way: Way): () => void {
    const { network } = this.#world;
    return all([
      ...(way === 'in' ? [] : [network.cut(one, other)]),
      ...(way === 'out' ? [] : [network.cut(other, one)]),
    ]);
  }

  #flap(one: number, other: number, periodMs: number): () => void {
    const { events } = this.#world;
    let undo: (() => void) | null = null;
    let isOver = false;
    const turn = (): void => {
      if (isOver) {
        return;
      }
      if (undo === null) {
        undo = this.#cut(one, other, 'both');
      } else {
        undo();
        undo = null;
      }
      events.after(periodMs, turn);
    };
    turn();
    return () => {
      isOver = true;
      undo?.();
    };
  }

  #slowLink(one: number, other: number, extraMs: number): () => void {
    const { network } = this.#world;
    network.slowDown(one, other, extraMs);
    network.slowDown(other, one, extraMs);
    return () => {
      network.slowDown(one, other, 0);
      network.slowDown(other, one, 0);
    };
  }

  #slowServer(server: SimulatedServer | undefined, extraMs: number): (() => void) | null {
    if (server === undefined) {
      return null;
    }
    const others = this.#world.serverIds.filter((id) => id !== server.serverId);
    return all(others.map((other) => this.#slowLink(server.serverId, other, extraMs)));
  }

  #onServer(
    fault: Extract<Fault, { kind: 'slow disk' | 'full disk' | 'failing disk' | 'clock jump' }>,
    server: SimulatedServer | undefined,
  ): (() => void) | null {
    if (server === undefined) {
      return null;
    }
    const { disk } = server;
    switch (fault.kind) {
      case 'slow disk':
        server.stepMsMax = fault.stepMsMax;
        return () => {
          server.stepMsMax = STEP_MS_MAX;
        };
      case 'full disk':
        disk.full = true;
        return () => {
          disk.full = false;
        };
      case 'failing disk':
        disk.failNext(({ op }) => op === 'write' || op === 'sync' || op === 'rename');
        return () => disk.failNext(() => false);
      case 'clock jump':
        server.clock.jump(fault.jumpMs);
        return null;
    }
  }

  #cutClient(hostId: number, server: SimulatedServer | undefined): (() => void) | null {
    if (server === undefined) {
      return null;
    }
    const { clientNetwork } = this.#world;
    return all([clientNetwork.cut(hostId, server.serverId), clientNetwork.cut(server.serverId, hostId)]);
  }
}

function all(steps: readonly ((() => void) | null)[]): () => void {
  return () => {
    for (const step of steps) {
      step?.();
    }
  };
}
