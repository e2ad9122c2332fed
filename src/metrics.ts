import { Counter, collectDefaultMetrics, Gauge, Histogram, type Registry } from 'prom-client';
import type { DeliveryMetrics } from './gateway/delivery/metrics.js';

/** The delivery engine's signals as Prometheus metrics. */
export function deliveryMetrics(registry: Registry): Required<DeliveryMetrics> {
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const ended = new Counter({
    name: 'mpd_deliveries_total',
    help: 'Attempts that ended, by target, outcome and error class.',
    labelNames: ['target', 'outcome', 'error_class'],
    registers,
  });
  const bytes = new Counter({
    name: 'mpd_delivered_bytes_total',
    help: 'Bytes that landed at targets.',
    labelNames: ['target'],
    registers,
  });
  const seconds = new Histogram({
    name: 'mpd_transfer_seconds',
    help: 'Time of transfers that landed.',
    labelNames: ['target'],
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800],
    registers,
  });
  const running = new Gauge({ name: 'mpd_transfers_running', help: 'Transfers under way here.', registers });
  const paused = new Gauge({
    name: 'mpd_paused',
    help: '1 while a target or backend is left alone because it does not answer.',
    labelNames: ['what'],
    registers,
  });
  return {
    ended: ({ target, outcome, errorClass }) => ended.inc({ target, outcome, error_class: errorClass ?? '' }),
    transferred: ({ target }, time, size) => {
      seconds.observe({ target }, time);
      bytes.inc({ target }, size);
    },
    running: (count) => running.set(count),
    paused: ({ what }, is) => paused.set({ what }, is ? 1 : 0),
  };
}
