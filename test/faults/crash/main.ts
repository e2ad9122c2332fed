import { parseArgs } from 'node:util';
import { eddsCrashMain } from '../edds-crash/main.js';
import { crash } from './harness.js';

/** `npm run crash -- --kills N --seed S [--gateways 2 | --edds]` */
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '25' },
    seed: { type: 'string', default: '1' },
    gateways: { type: 'string', default: '1' },
    edds: { type: 'boolean', default: false },
  },
});
if (values.edds) process.exit((await eddsCrashMain(Number(values.kills), Number(values.seed))) ? 0 : 1);
const { details, ...counts } = await crash({
  kills: Number(values.kills),
  seed: Number(values.seed),
  gateways: values.gateways === '2' ? 2 : 1,
  say: (line) => console.error(line),
});
for (const line of details) console.error(line);
const { kills, lost, falselyVerified, partial, wrong, duplicates } = counts;
console.log(
  `kills=${kills} lost=${lost} falselyVerified=${falselyVerified} partial=${partial} wrong=${wrong} duplicates=${duplicates}`,
);
process.exit(lost + falselyVerified + partial + wrong + duplicates === 0 ? 0 : 1);
