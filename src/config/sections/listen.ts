import { z } from 'zod';
import { choice, duration, flag, integer, name, path, port, secret, size, text } from '../fields.js';

const host = (help = 'Address to bind. 0.0.0.0 or :: opens it to the network: then use TLS and keys.') =>
  text(help).default('127.0.0.1');

const tls = z
  .strictObject({
    cert: text('Certificate chain, PEM; usually `file:…`.'),
    key: secret('Private key, PEM; usually `file:…`.'),
  })
  .optional()
  .meta({ description: 'TLS; absent: none.' });

const http = z
  .strictObject({
    enabled: flag('Offer HTTP/JSON, SSE, the OpenAPI page, health and metrics.').prefault(true),
    host: host(),
    port: port('TCP port; 0 = any free one.').prefault(8080),
    tls,
    cors: z
      .strictObject({
        origins: z
          .array(text('Origin, or `*`.'))
          .default([])
          .meta({ description: 'Web pages of these origins may call the API.' }),
      })
      .prefault({})
      .meta({ description: 'Cross-origin requests.' }),
    openMetrics: flag('Answer /metrics without a key, for a Prometheus that has none.').prefault(false),
    maxBody: size('Largest JSON request.', 1024).prefault('2MiB'),
    requestTimeout: duration('A request must have arrived whole within this time.', 100).prefault('30s'),
    answerTimeout: duration('An answer that is no stream must be ready within this time.', 100).prefault('1m'),
    stall: duration('A reader that takes nothing for this long is cut off.', 100).prefault('1m'),
    drain: duration('For requests under way when the gateway stops.', 0).prefault('10s'),
    connections: integer('Open connections at most.', 1).prefault(1000),
  })
  .prefault({})
  .meta({ description: 'HTTP/JSON, server-sent events, OpenAPI, health, metrics.' });

const malCommon = {
  host: host(),
  encodings: z
    .array(choice('MAL encoding.', ['fixed', 'variable', 'split']))
    .min(1, 'needs at least one encoding')
    .default(['fixed', 'variable', 'split'])
    .meta({
      description:
        'Binary encodings offered; each connection uses the one its requests are in, the first where they do not tell.',
    }),
  maxFrame: size('Largest MAL message accepted, checked before memory is taken.', 1024).prefault('80MiB'),
  connections: integer('Open connections at most.', 1).prefault(200),
  interactions: integer('Interactions under way at most.', 1).prefault(1000),
};

const maltcp = z
  .strictObject({
    ...malCommon,
    port: port('TCP port; 0 = any free one.').prefault(61616),
    tls,
    publicUri: text(
      'URI that consumers use when it differs from the bound address, e.g. maltcp://mpd.example.int:61616.',
    ).optional(),
    encodingPorts: z
      .strictObject({
        fixed: port('TCP port for fixed binary alone.').optional(),
        variable: port('TCP port for variable binary alone.').optional(),
        split: port('TCP port for split binary alone.').optional(),
      })
      .prefault({})
      .meta({
        description:
          'Further ports, each for one encoding: for consumers whose first request may be the same bytes in several.',
      }),
  })
  .optional()
  .meta({ description: 'MAL over TCP (CCSDS 524.2). Absent: not offered.' });

const malhttp = z
  .strictObject({
    ...malCommon,
    port: port('TCP port; 0 = any free one.').prefault(61617),
    tls,
    publicUri: text(
      'URI that consumers use when it differs from the bound address, e.g. malhttp://mpd.example.int:61617.',
    ).optional(),
    mode: choice(
      'What consumers with MAL headers expect: the first answer in the HTTP response, or each answer posted to them. Those that send the header in the body (NoEncoding) are known by that.',
      ['request-response', 'no-response'],
    ).default('request-response'),
  })
  .optional()
  .meta({ description: 'MAL over HTTP (CCSDS 524.3). Absent: not offered.' });

export const listenSection = z
  .strictObject({
    http,
    maltcp,
    malhttp,
    endpoints: z
      .strictObject({
        retrieval: name('MAL endpoint of ProductRetrieval.').default('ProductRetrieval'),
        orders: name('MAL endpoint of OrderManagement.').default('OrderManagement'),
        delivery: name('MAL endpoint of ProductOrderDelivery.').default('ProductOrderDelivery'),
        broker: name('MAL endpoint of the broker of ProductOrderDelivery.').default(
          'ProductOrderDeliveryInternalBroker',
        ),
      })
      .prefault({})
      .meta({ description: 'Names of the MAL endpoints: the path behind the address in their URIs.' }),
    providerUris: path(
      "Write the URIs of the MAL services there at start, as the `providerURIs.properties` that ESA's consumers read. Absent: not written.",
    ).optional(),
  })
  .prefault({})
  .meta({ description: 'Where consumers reach the gateway.' });
