/** Pseudo scheme: everyone. It has one id and no connection has it. */
import type { RequestAcl } from '@treekeeper/protocol';

export function isAnyone(id: RequestAcl['id']): boolean {
  return id.scheme === 'world' && id.id === 'anyone';
}
