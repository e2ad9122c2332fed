import { eddsCrash } from './harness.js';

/** `npm run crash -- --edds --kills N --seed S`: prints what was found; true when nothing is wrong. */
export async function eddsCrashMain(kills: number, seed: number): Promise<boolean> {
  const { details, packets, requests, ...counts } = await eddsCrash({
    kills,
    seed,
    say: (line) => console.error(line),
  });
  for (const line of details) console.error(line);
  const { kills: done, lost, doubled, wrong, unsettled, submittedTwice } = counts;
  console.log(
    `kills=${done} packets=${packets} requests=${requests} lost=${lost} doubled=${doubled} wrong=${wrong} unsettled=${unsettled} submittedTwice=${submittedTwice}`,
  );
  return details.length === 0;
}
