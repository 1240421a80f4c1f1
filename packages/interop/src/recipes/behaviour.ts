/** The recipes' contract, case by case: the same against every server. */
import type { BehaviourCase } from '../client/case.ts';
import { dataCases } from './data-cases.ts';
import { groupCases } from './group-cases.ts';
import { lockCases } from './lock-cases.ts';
import { sharingCases } from './sharing-cases.ts';
import { taskCases } from './task-cases.ts';

export const recipeCases: readonly BehaviourCase[] = [
  ...lockCases,
  ...groupCases,
  ...dataCases,
  ...taskCases,
  ...sharingCases,
];
