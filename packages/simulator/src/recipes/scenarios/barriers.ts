/** Barriers: nobody goes on while one stands; nobody begins before all have come, or goes on before all have left. */
import type { Client } from '@treekeeper/client';
import { Barrier, type BarrierPass, DoubleBarrier } from '@treekeeper/recipes';
import { check } from '../../checkers/violation.ts';
import { canKnow } from '../journal.ts';
import type { Program } from '../program.ts';
import { Quota } from '../quota.ts';
import { rounds, type Scenario, type ScenarioMaker, type Setting } from '../scenario.ts';

const GATE = '/gate';
const DOUBLE = '/together';
/** By then the session of who is gone has ended, though the server was away in between. */
const FORGOTTEN_IN_TIMEOUTS = 4;

/** One who has come to the double barrier. */
interface Visit {
  readonly program: Program;
  readonly client: Client;
  readonly sessionId: bigint;
  readonly begunMs: number;
  /** When its node was gone at the latest; infinite: it may be there. */
  goneMs: number;
  passedMs: number | null;
  isLeaving: boolean;
}

export const barrierScenario: ScenarioMaker = (setting) => new BarrierScenario(setting);

class BarrierScenario implements Scenario {
  readonly programs: readonly string[];
  readonly #setting: Setting;
  readonly #size: number;
  readonly #together: Quota;
  readonly #visits: Visit[] = [];

  constructor(setting: Setting) {
    this.#setting = setting;
    this.#size = setting.dice.between(2, 3);
    const visitors = Array.from({ length: this.#size }, (_, i) => `visitor${i + 1}`);
    this.programs = ['keeper', ...visitors];
    this.#together = new Quota(visitors);
  }

  main(program: Program): Promise<void> {
    return rounds(program, this.#setting, (client) =>
      program.name === 'keeper' ? this.#keep(program, client) : this.#visit(program, client),
    );
  }

  missing(): string | null {
    const waiting = this.#together.waiting();
    return waiting.length === 0 ? null : `${waiting.join(', ')} to come and leave with the others`;
  }

  judge(): void {
    const left = this.#setting.world.children(DOUBLE);
    check(left.length === 0, 'leftovers', () => `left at the barrier: ${left.join(', ')}`);
  }

  /** Sets the gate up, and removes it; in the end it is open. */
  async #keep(program: Program, client: Client): Promise<void> {
    const { world, dice } = this.#setting;
    const gate = new Barrier(client, GATE);
    await program.sleep(dice.between(0, 1500));
    await (world.isHealed || dice.chance(0.5) ? gate.remove() : gate.set());
  }

  async #visit(program: Program, client: Client): Promise<void> {
    const { world, dice } = this.#setting;
    await program.sleep(dice.between(0, 500));
    const standing = this.#gate;
    await new Barrier(client, GATE).wait({ signal: program.closing.signal });
    const isTheSame = standing !== null && standing === this.#gate;
    check(!isTheSame, 'gate', () => `${program.name} has gone through while the gate of ${standing} stood`);
    world.count('gate passed');
    await this.#come(program, client);
    this.#together.got(program.name);
    world.count('came and left together');
  }

  /** The one that stands, by its zxid; null: none. */
  get #gate(): number | null {
    const { world } = this.#setting;
    return world.data(GATE) === null ? null : world.czxid(GATE);
  }

  async #come(program: Program, client: Client): Promise<void> {
    const { dice, world } = this.#setting;
    const { sessionId } = client;
    const visit: Visit = {
      program,
      client,
      sessionId,
      begunMs: world.nowMs,
      goneMs: Number.POSITIVE_INFINITY,
      passedMs: null,
      isLeaving: false,
    };
    this.#visits.push(visit);
    world.tell(() => `${program.name} comes`);
    try {
      const signal = dice.chance(0.1) && !world.isHealed ? this.#impatience(program) : program.closing.signal;
      const pass = await new DoubleBarrier(client, DOUBLE, this.#size).enter({ signal });
      this.#judgeEntry(visit);
      await program.sleep(dice.between(0, 500));
      await this.#leave(visit, pass);
      visit.goneMs = world.nowMs;
      world.tell(() => `${program.name} has left with the others`);
    } catch (error) {
      world.tell(() => `${program.name} is sent away: ${error}`);
      visit.goneMs = world.nowMs + FORGOTTEN_IN_TIMEOUTS * world.plan.sessionTimeoutMs;
      throw error;
    }
  }

  #impatience(program: Program): AbortSignal {
    const controller = new AbortController();
    program.after(this.#setting.dice.between(0, 1000), () => controller.abort());
    return controller.signal;
  }

  #judgeEntry(visit: Visit): void {
    const { world } = this.#setting;
    visit.passedMs = world.nowMs;
    world.tell(() => `${visit.program.name} begins`);
    const come = this.#visits.filter(({ program, goneMs }) => {
      const forgottenMs = FORGOTTEN_IN_TIMEOUTS * world.plan.sessionTimeoutMs;
      const untilMs = program.isDead ? Math.min(goneMs, program.diedMs + forgottenMs) : goneMs;
      return untilMs >= visit.begunMs;
    });
    check(
      come.length >= this.#size,
      'barrier',
      () => `${visit.program.name} has begun, when ${come.length} of ${this.#size} had come`,
    );
  }

  async #leave(visit: Visit, pass: BarrierPass): Promise<void> {
    const inside = this.#visits.filter((other) => other !== visit && isInside(other));
    visit.isLeaving = true;
    await pass.leave({ signal: visit.program.closing.signal });
    const still = canKnow(visit.program) ? inside.find(isInside) : undefined;
    check(still === undefined, 'barrier', () => `${visit.program.name} went on before ${still?.program.name} had left`);
  }
}

/** It has passed, and cannot have been taken for dead. */
function isInside({ program, client, sessionId, passedMs, goneMs, isLeaving }: Visit): boolean {
  const isIn = passedMs !== null && goneMs === Number.POSITIVE_INFINITY && !isLeaving;
  return isIn && canKnow(program) && client.state === 'connected' && client.sessionId === sessionId;
}
