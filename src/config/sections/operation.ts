import { z } from 'zod';
import { choice, duration, flag, integer, size } from '../fields.js';

export const deliverySection = z
  .strictObject({
    workers: integer('Transfers at the same time in this process; 0 = this process delivers nothing.', 0, 256).prefault(
      16,
    ),
    perTarget: integer('Transfers at the same time to one target.', 1, 256).prefault(8),
    deadline: duration(
      'How long a delivery without any progress is tried before it is a dead letter; orders may say otherwise.',
      1000,
    ).prefault('24h'),
    lease: duration('A worker that is silent for this long loses its delivery to another.', 3000).prefault('1m'),
    stall: duration('A transfer that moves no byte for this long is broken off and tried again.', 1000).prefault('2m'),
    retry: z
      .strictObject({
        first: duration('Pause before the second attempt; it doubles with each further one.', 10).prefault('2s'),
        longest: duration('Longest pause between attempts.', 10).prefault('10m'),
      })
      .prefault({})
      .meta({ description: 'Pauses between attempts, with some chance in them.' }),
    verify: choice('readback: read what landed and compare SHA-256; remote: what the server itself can say.', [
      'readback',
      'remote',
    ]).default('readback'),
  })
  .prefault({})
  .meta({ description: 'How files are delivered.' });

export const limitsSection = z
  .strictObject({
    results: integer('Entries of one MAL listProducts; more is Too Many.', 1).prefault(10000),
    page: integer('Entries of one HTTP page.', 1, 100_000).prefault(1000),
    products: integer('Products of one getProducts or deliver request.', 1).prefault(1000),
    mal: z
      .strictObject({ maxBody: size('Largest product body in one MAL message.', 1024).prefault('64MiB') })
      .prefault({})
      .meta({ description: 'MAL bindings.' }),
    streams: integer('Open bodies, listings, event streams and waiting pulls of one principal.', 1).prefault(32),
    rate: z
      .strictObject({
        requestsPerMinute: integer('Requests of one principal in a minute.', 1).prefault(6000),
        failuresPerMinute: integer(
          'Refused keys of one address in a minute; then it is refused for a while.',
          1,
        ).prefault(60),
      })
      .prefault({})
      .meta({ description: 'Request rate over HTTP.' }),
    quotas: z
      .strictObject({
        orders: integer('Standing orders of one principal that are not ended.', 0).prefault(1000),
        filters: integer('Named filters of one principal.', 0).prefault(1000),
      })
      .prefault({})
      .meta({ description: 'Of each principal, unless its own `quotas` say otherwise.' }),
  })
  .prefault({})
  .meta({ description: 'Bounds. Going over one is an error that names it.' });

export const sweepSection = z
  .strictObject({
    interval: duration('How often each backend is compared with the journal.', 1000).prefault('10m'),
    overlap: duration('How far back each sweep reads again, for systems that index late.', 0).prefault('10m'),
  })
  .prefault({})
  .meta({ description: 'Finds what a change feed missed.' });

export const eventsSection = z
  .strictObject({
    retention: duration('How long events are kept; an older cursor is answered with "gap".', 60_000).prefault('30d'),
  })
  .prefault({})
  .meta({ description: 'History of what happened.' });

export const extensionsSection = z
  .strictObject({
    malNamedFilters: flag('Take `@owner/name` as a productType over MAL for a named filter.').prefault(false),
  })
  .prefault({})
  .meta({ description: 'Beyond the standard, off by default.' });

const set = (operations: string) => flag(`Offer ${operations}; false = Unsupported Operation.`).prefault(true);

export const capabilitiesSection = z
  .strictObject({
    listProducts: set('ProductRetrieval capability set 1 (listProducts)'),
    getProducts: set('ProductRetrieval capability set 2 (getProducts)'),
    deliverProductFiles: set('ProductRetrieval capability set 3 (deliverProductFiles)'),
    listStandingOrders: set('OrderManagement capability set 1 (listStandingOrders)'),
    manageStandingOrders: set('OrderManagement capability set 2 (submitStandingOrder, cancelStandingOrder)'),
    notifyProductDelivery: set('ProductOrderDelivery capability set 1 (notifyProductDelivery)'),
    deliverProducts: set('ProductOrderDelivery capability set 2 (deliverProducts)'),
  })
  .prefault({})
  .meta({ description: 'Capability sets of the standard, on every binding.' });

export const logSection = z
  .strictObject({
    level: choice('Least level written.', ['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
    format: choice('pretty for people, json for machines, auto: pretty on a terminal.', [
      'auto',
      'pretty',
      'json',
    ]).default('auto'),
  })
  .prefault({})
  .meta({ description: 'Logs, on standard error.' });
