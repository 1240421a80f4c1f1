// The queue, as all who take part are told of it: submitter, masters and workers import this one module.
import { json } from '@treekeeper/client';
import { TaskQueue } from '@treekeeper/recipes/master-worker';

export const sums = new TaskQueue({
  path: '/demo/sums',
  payload: json(), // { from, to }
  result: json(), // the sum of the numbers between them
  delivery: 'effectively-once',
  triesMax: 10,
});

/** Here every task leaves one entry, together with its result: what a program would do in the tree. */
export const ledger = '/demo/ledger';

/** A process that dies is missed after so long. */
export const connectOptions = { sessionTimeoutMs: 2000, onExpired: 'new-session' };
