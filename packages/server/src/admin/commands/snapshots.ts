import { zxidHex } from '@treekeeper/protocol';
import type { RateLimiter } from '../rate-limiter.ts';
import type { Command, CommandAnswer, CommandContext } from './command.ts';

export const snapshotCommands: readonly Command[] = [
  { name: 'snapshot', aliases: ['snap'], needsServer: true, method: 'GET', needsAuthorization: true, run: snapshot },
  { name: 'restore', aliases: ['rest'], needsServer: true, method: 'POST', needsAuthorization: true, run: restore },
];

async function snapshot(context: CommandContext): Promise<CommandAnswer> {
  const { settings, view, query, nowMs } = context;
  if (!settings.snapshotEnabled) {
    return refusal(503, 'admin.snapshot.enabled=false');
  }
  if (!context.snapshotLimiter.admit(nowMs())) {
    view.metrics.snapshot_rate_limited_count.add(1);
    return tooSoon('snapshot', context.snapshotLimiter);
  }
  try {
    if (!settings.serializeLastProcessedZxidEnabled) {
      throw new Error('snapshots do not carry their zxid: serializeLastProcessedZxid.enabled is false');
    }
    const file = await context.control.takeSnapshot();
    const headers = { last_zxid: `0x${zxidHex(file.lastZxid)}`, snapshot_size: `${file.sizeBytes}` };
    return (query.get('streaming') ?? 'true').toLowerCase() === 'true' ? { headers, file } : { headers };
  } catch (error) {
    view.metrics.snapshot_error_count.add(1);
    throw error;
  }
}

async function restore(context: CommandContext): Promise<CommandAnswer> {
  const { settings, view, nowMs } = context;
  if (!settings.restoreEnabled) {
    return refusal(503, 'admin.restore.enabled=false');
  }
  const startMs = nowMs();
  if (!context.restoreLimiter.admit(startMs)) {
    view.metrics.restore_rate_limited_count.add(1);
    return tooSoon('restore', context.restoreLimiter);
  }
  try {
    if (!settings.serializeLastProcessedZxidEnabled) {
      throw new Error('snapshots do not carry their zxid: serializeLastProcessedZxid.enabled is false');
    }
    const lastZxid = await context.control.restore(context.body);
    view.metrics.restore_time.add(Math.round(nowMs() - startMs));
    return { fields: { last_zxid: lastZxid } };
  } catch (error) {
    view.metrics.restore_error_count.add(1);
    throw error;
  }
}

function tooSoon(command: string, { intervalMs }: RateLimiter): CommandAnswer {
  return refusal(429, `one ${command} in ${intervalMs} ms is taken (admin.rateLimiterIntervalInMS): try again later`);
}

/** Apache ZooKeeper has null for the error here, and leaves it to the status. */
function refusal(status: number, error: string): CommandAnswer {
  return { status, fields: { error } };
}
