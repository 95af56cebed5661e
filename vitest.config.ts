import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/{unit,integration,browser,infra}/**/*.test.ts'],
    globalSetup: ['test/helpers/azurite.setup.ts', 'test/helpers/built-app.setup.ts'],
    setupFiles: ['test/helpers/trust.setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    maxWorkers: 2,
    // Loading the Azure SDKs once for each file would take a third of all the time.
    isolate: false,
  },
});
