export default {
  files: ['test/**/*.test.ts', '!test/lab/**'],
  extensions: { ts: 'module' },
  nodeArguments: ['--import=tsx'],
  workerThreads: false, // tsx does not load TypeScript in worker threads of Node 20
  timeout: '2m',
}
