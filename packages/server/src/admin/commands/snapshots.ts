import { zxidHex } from '@treekeeper/protocol';
import type { Command, CommandAnswer, CommandContext } from './command.ts';

export const snapshotCommands: readonly Command[] = [
  { name: 'snapshot', aliases: ['snap'], needsServer: true, method: 'GET', needsAuthorization: true, run: snapshot },
  { name: 'restore', aliases: ['rest'], needsServer: true, method: 'POST', needsAuthorization: true, run: restore },
];

async function snapshot(context: CommandContext): Promise<CommandAnswer> {
  const { settings, view, query, nowMs } = context;
  if (!settings.snapshotEnabled) {
    return { status: 503 };
  }
  if (!context.snapshotLimiter.admit(nowMs())) {
    view.metrics.snapshot_rate_limited_count.add(1);
    return { status: 429 };
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
    return { status: 503 };
  }
  const startMs = nowMs();
  if (!context.restoreLimiter.admit(startMs)) {
    view.metrics.restore_rate_limited_count.add(1);
    return { status: 429 };
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
