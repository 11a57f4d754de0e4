import { defineConfig } from 'vitest/config'

/** Tests run from source (the `source` export condition); the end-to-end suites start the built processes. */
export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source', 'node', 'import'] } },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          // A loaded machine is no failure.
          testTimeout: 30_000,
          hookTimeout: 60_000,
          include: [
            '{packages,services,examples}/*/src/**/*.test.ts',
            'deploy/local/src/**/*.test.ts',
            'test/fuzz.test.ts',
          ],
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: ['test/**/*.test.ts', 'policies/**/*.test.ts'],
          exclude: ['test/fuzz.test.ts'],
          globalSetup: ['test/support/tools-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 240_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
