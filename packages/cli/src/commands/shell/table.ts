/** The commands, one row each; help and completion follow from them. */
import { addAuth } from './commands/add-auth.ts';
import { addWatch } from './commands/add-watch.ts';
import { cd } from './commands/cd.ts';
import { close } from './commands/close.ts';
import { config } from './commands/config.ts';
import { connect } from './commands/connect.ts';
import { cp } from './commands/cp.ts';
import { create } from './commands/create.ts';
import { delQuota } from './commands/del-quota.ts';
import { deleteNode } from './commands/delete.ts';
import { deleteAll } from './commands/deleteall.ts';
import { diff } from './commands/diff.ts';
import { du } from './commands/du.ts';
import { edit } from './commands/edit.ts';
import { elect } from './commands/elect.ts';
import { find } from './commands/find.ts';
import { fourLetterWord, fourLetterWords } from './commands/four-letter-word.ts';
import { get } from './commands/get.ts';
import { getAcl } from './commands/get-acl.ts';
import { getAllChildrenNumber } from './commands/get-all-children-number.ts';
import { getEphemerals } from './commands/get-ephemerals.ts';
import { grep } from './commands/grep.ts';
import { help } from './commands/help.ts';
import { history } from './commands/history.ts';
import { listQuota } from './commands/list-quota.ts';
import { lock } from './commands/lock.ts';
import { ls } from './commands/ls.ts';
import { mirror } from './commands/mirror.ts';
import { mv } from './commands/mv.ts';
import { owner } from './commands/owner.ts';
import { printWatches } from './commands/print-watches.ts';
import { pwd } from './commands/pwd.ts';
import { quit } from './commands/quit.ts';
import { reconfig } from './commands/reconfig.ts';
import { redo } from './commands/redo.ts';
import { removeWatches } from './commands/remove-watches.ts';
import { set } from './commands/set.ts';
import { setAcl } from './commands/set-acl.ts';
import { setQuota } from './commands/set-quota.ts';
import { stat } from './commands/stat.ts';
import { status } from './commands/status.ts';
import { sync } from './commands/sync.ts';
import { top } from './commands/top.ts';
import { tree } from './commands/tree.ts';
import { txn } from './commands/txn.ts';
import { version } from './commands/version.ts';
import { watch } from './commands/watch.ts';
import { whoAmI } from './commands/who-am-i.ts';
import type { ShellCommand } from './shell.ts';

/** In the order of the help, within each group. */
export const COMMANDS: readonly ShellCommand[] = [
  ls,
  get,
  stat,
  create,
  set,
  edit,
  deleteNode,
  deleteAll,
  mv,
  txn,
  getAllChildrenNumber,
  getEphemerals,
  sync,
  cd,
  pwd,
  tree,
  find,
  grep,
  du,
  cp,
  mirror,
  diff,
  watch,
  addWatch,
  removeWatches,
  printWatches,
  getAcl,
  setAcl,
  addAuth,
  whoAmI,
  setQuota,
  listQuota,
  delQuota,
  lock,
  elect,
  status,
  top,
  owner,
  ...fourLetterWords,
  fourLetterWord,
  config,
  reconfig,
  connect,
  close,
  history,
  redo,
  version,
  help,
  quit,
];
