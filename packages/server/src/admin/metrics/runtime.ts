import type { HostView } from '../view.ts';
import type { RuntimeMetric } from './prometheus.ts';

/**
 * The process and its engine, for `metricsProvider.exportJvmInfo`. `process_*` have the names every Prometheus library
 * gives them; the two of memory carry the Java library's names too, because dashboards of ZooKeeper plot them.
 */
export function runtimeMetrics(host: HostView): RuntimeMetric[] {
  const memory = process.memoryUsage();
  const cpu = process.cpuUsage();
  const nonheapBytes = memory.rss - memory.heapTotal;
  return [
    gauge('process_resident_memory_bytes', 'resident memory', memory.rss),
    {
      name: 'process_cpu_seconds_total',
      type: 'counter',
      meaning: 'processor time used, user and system',
      samples: [['', (cpu.user + cpu.system) / 1e6]],
    },
    gauge('process_start_time_seconds', 'start of the process since 1970', performance.timeOrigin / 1000),
    gauge('process_open_fds', 'files and sockets open', host.openFileDescriptors()),
    gauge('process_max_fds', 'files and sockets that may be open', host.maxFileDescriptors()),
    {
      name: 'jvm_memory_bytes_used',
      type: 'gauge',
      meaning: 'memory in use by the engine',
      samples: [
        ['area="heap"', memory.heapUsed],
        ['area="nonheap"', nonheapBytes],
      ],
    },
    {
      name: 'jvm_memory_bytes_committed',
      type: 'gauge',
      meaning: 'memory reserved by the engine',
      samples: [
        ['area="heap"', memory.heapTotal],
        ['area="nonheap"', nonheapBytes],
      ],
    },
    gauge('nodejs_external_memory_bytes', 'memory of buffers outside the heap', memory.external),
  ];
}

function gauge(name: string, meaning: string, value: number): RuntimeMetric {
  return { name, type: 'gauge', meaning, samples: [['', value]] };
}
