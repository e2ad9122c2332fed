import { z } from 'zod';
import { duration, integer, name, path, secret, url } from '../fields.js';

export const gatewaySection = z
  .strictObject({
    name: name('Name of this installation: in logs, on the console page and as the provider name.').default(
      'mpd-gateway',
    ),
    publicUrl: url('Address under which consumers reach the HTTP interface; needed for links in service messages.', [
      'https',
      'http',
    ]).optional(),
    secret: secret(
      'Signs links to bodies; at least 32 characters and the same on every gateway of one database. Absent: made once and kept in the store.',
    )
      .min(32, 'must have at least 32 characters')
      .optional(),
    linkLifetime: duration('How long a signed link to a body is good for.', 1000).prefault('24h'),
  })
  .prefault({})
  .meta({ description: 'The installation as a whole.' });

export const storeSection = z
  .strictObject({
    url: url(
      'A PostgreSQL 15 or newer of yours, shared by any number of gateways. Absent: an embedded PostgreSQL under `dir`.',
      ['postgres', 'postgresql'],
      {
        secret: true,
      },
    ).optional(),
    dir: path('Folder of the embedded database.').prefault('./mpd-data'),
    pool: integer('Database connections at most.', 4, 500).prefault(20),
  })
  .prefault({})
  .meta({ description: 'Where the durable state lives.' });
