import { type Family, type FaultRow, faultTable, titleOf } from './table.js';

const FAMILIES: Readonly<Record<Family, string>> = {
  feed: 'The event feed',
  login: 'Login',
  playback: 'Playback',
  endpoint: 'The data endpoint',
  index: 'The index',
  documents: 'Documents',
  uploads: 'Uploads',
};

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', '<br>');

const rowText = (row: FaultRow): string => {
  const name = row.variant === undefined ? `\`${row.fault}\`` : `\`${row.fault}\`: ${row.variant}`;
  const seen = row.sees
    .split('\n')
    .map((line) => (line === 'nothing' ? line : `\`${line.replaceAll('`', "'")}\``))
    .join('<br>');
  return `| ${[name, row.real, row.state, seen, `faults/${row.family}.test.ts › ${titleOf(row)}`].map(cell).join(' | ')} |`;
};

/** `docs/datadrive-faults.md`. */
export function faultPage(): string {
  const sections = Object.entries(FAMILIES).map(([family, title]) =>
    [
      `## ${title}`,
      '',
      '| Switch | What the real system does | State | What a person sees | Proved by |',
      '| --- | --- | --- | --- | --- |',
      ...faultTable.filter((row) => row.family === family).map(rowText),
      '',
    ].join('\n'),
  );
  return `# Faults of DataDrive, and what the gateway makes of them

Each switch of the stand-in (\`simulators/datadrive/faults.ts\`) stages a fault that is known of the real system. The tests
below \`test/datadrive/\` stage it before a whole gateway with a standing order that delivers files, and compare the state and
everything that a person can see, word for word, with the table of this page (\`test/datadrive/faults/table.ts\`); a switch
without a row fails them. This page is made from that table: \`npx vitest run test/datadrive/faults/table.test.ts -u\`.

State: the rows of the ledger and the files at the target, compared byte for byte with what DataDrive holds, some time after
the fault. What a person sees: lines of the log from \`warn\` up, what commands print, and the ledger's reasons; \`nothing\`
means not one such line. Addresses stand as \`https://index\`, \`https://datadrive\`, \`https://s3\`.

${sections.join('\n')}`;
}
