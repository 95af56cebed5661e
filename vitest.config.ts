import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What mostly waits begins first, so that the others fill the time. */
const slowest = ['chaos', 'dev-start', 'compiler'].map((name) => `/${name}.test.ts`);

class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => slowest.findIndex((name) => moduleId.endsWith(name)) >>> 0;
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}

export default defineConfig({
  test: {
    include: ['test/{unit,integration,browser,infra}/**/*.test.ts'],
    globalSetup: ['test/helpers/azurite.setup.ts', 'test/helpers/built-app.setup.ts'],
    setupFiles: ['test/helpers/trust.setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    maxWorkers: 2,
    sequence: { sequencer: SlowestFirst },
    // Loading the Azure SDKs once for each file would take a third of all the time.
    isolate: false,
  },
});
