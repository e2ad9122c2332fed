import { defineConfig } from 'vitest/config';

const source = (path: string): string => new URL(path, import.meta.url).pathname;

export default defineConfig({
  // What a module from outside the tree imports, without a build.
  resolve: {
    alias: {
      'mpd-gateway/backend': source('src/gateway/backend.ts'),
      'mpd-gateway/target': source('src/gateway/target.ts'),
    },
  },
  test: {
    include: ['{src,adapters,simulators,test}/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
    reporters: ['default', ['json', { outputFile: 'test-results/report.json' }]],
  },
});
