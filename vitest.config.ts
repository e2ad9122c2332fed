import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{src,adapters,simulators,test}/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
    reporters: ['default', ['json', { outputFile: 'test-results/report.json' }]],
  },
});
