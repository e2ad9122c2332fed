import { z } from 'zod';
import { choice, flag, integer, name, text } from '../fields.js';
import { policyField } from '../policy.js';

/** Overrides `limits.quotas` for one principal. */
const quotas = z
  .strictObject({
    orders: integer('Standing orders that are not ended.', 0).optional(),
    filters: integer('Named filters.', 0).optional(),
  })
  .optional()
  .meta({ description: 'Overrides `limits.quotas` for this principal.' });

const principal = z.strictObject({
  id: name('Name of the principal; the owner of its orders.'),
  role: choice('consumer: own orders; operator: all orders, redrive, upstream; admin: also keys.', [
    'consumer',
    'operator',
    'admin',
  ]).default('consumer'),
  policy: policyField,
  disabled: flag('Refuse its keys and suspend its orders.').prefault(false),
  quotas,
});

const rule = z.strictObject({
  cidr: text('Network the consumer calls from, e.g. 10.1.0.0/16 or ::1/128.'),
  authId: text('Authentication id that the MAL header must carry, in hex. Absent: any, also none.').optional(),
  principal: name('Principal the consumer acts as.'),
  user: choice('must-equal: `user` in an order must be the principal; asserted: taken as said.', [
    'must-equal',
    'asserted',
  ]).default('must-equal'),
});

export const accessSection = z
  .strictObject({
    principals: z
      .array(principal)
      .default([{ id: 'operator', role: 'operator', policy: null, disabled: false }])
      .meta({ description: 'Who may do what. HTTP keys are made with `mpd-gateway keys create`.' }),
    mal: z
      .array(rule)
      .default([])
      .meta({ description: 'MAL consumers by network; the first rule that fits counts, none = refused.' }),
  })
  .prefault({})
  .meta({ description: 'Principals, policies, network rules.' });
