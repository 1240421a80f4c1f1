/** Scheduled job: each time is run by one, and not again once it is on record; the record never goes back. */
import type { Client } from '@treekeeper/client';
import { type JobRun, ScheduledJob } from '@treekeeper/recipes';
import { check } from '../../checkers/violation.ts';
import { canKnow } from '../journal.ts';
import type { Program } from '../program.ts';
import { rounds, type Scenario, type ScenarioMaker } from '../scenario.ts';

const PATH = '/job';
const RUNS_WANTED = 2;

export const jobScenario: ScenarioMaker = (setting): Scenario => {
  const { world, dice, planted } = setting;
  const programs = Array.from({ length: dice.between(2, 4) }, (_, i) => `scheduler${i + 1}`);
  const delivery = dice.pick(['at-least-once', 'at-most-once'] as const);
  const intervalMs = dice.pick([700, 2000, 5000]);
  /** How often each time was begun, and which were run to their end. */
  const begun = new Map<number, number>();
  const ended = new Set<number>();
  let recordedMs = 0;
  let wantedMs: number | null = null;

  const recorded = (): number => Number(world.data(`${PATH}/last`) ?? 0);

  const run = async (program: Program, { dueMs, leadership }: JobRun): Promise<void> => {
    check(dueMs % intervalMs === 0, 'schedule', () => `${dueMs} is no multiple of ${intervalMs}`);
    const times = (begun.get(dueMs) ?? 0) + 1;
    begun.set(dueMs, times);
    const isSure = leadership.state === 'held' && canKnow(program);
    if (delivery === 'at-most-once') {
      check(times === 1, 'runs', () => `${program.name} runs the job of ${dueMs}, as another before`);
    } else if (isSure) {
      check(recorded() < dueMs, 'runs', () => `${program.name} runs the job of ${dueMs}, which is on record`);
    }
    world.count('job run');
    await program.sleep(dice.between(0, 1.5 * intervalMs));
    ended.add(dueMs);
  };

  const round = async (program: Program, client: Client): Promise<void> => {
    const leaving = new AbortController();
    if (!world.isHealed && dice.chance(0.3)) {
      program.after(dice.between(0, 10_000), () => leaving.abort());
    }
    const signal = AbortSignal.any([program.closing.signal, leaving.signal]);
    const job = new ScheduledJob(client, PATH, { intervalMs: intervalMs + (planted.jobLateMs ?? 0), delivery });
    await job.run((jobRun) => run(program, jobRun), { signal });
  };

  return {
    programs,
    main: (program) => rounds(program, setting, (client) => round(program, client)),
    onTurn() {
      const nowMs = recorded();
      if (nowMs !== recordedMs) {
        check(nowMs > recordedMs, 'record', () => `${nowMs} is on record after ${recordedMs}`);
        const isDone = delivery === 'at-most-once' || ended.has(nowMs);
        check(isDone, 'record', () => `${nowMs} is on record, and nobody has run it to its end`);
        recordedMs = nowMs;
      }
    },
    missing() {
      wantedMs ??= recordedMs + RUNS_WANTED * intervalMs;
      return recordedMs >= wantedMs ? null : `the job of ${wantedMs}, after that of ${recordedMs}`;
    },
    judge() {
      const left = world.children(`${PATH}/leader`);
      check(left.length === 0, 'leftovers', () => `left: ${left.join(', ')}`);
    },
  };
};
