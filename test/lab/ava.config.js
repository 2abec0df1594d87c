/** Machines that really boot: one at a time, and each step needs the one before it. */
export default {
  files: ['test/lab/**/*.test.ts'],
  extensions: { ts: 'module' },
  nodeArguments: ['--import=tsx'],
  workerThreads: false,
  concurrency: 1,
  failFast: true,
  timeout: '15m',
}
