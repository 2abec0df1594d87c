export default {
  files: ['test/**/*.test.ts', '!test/lab/**'],
  extensions: { ts: 'module' },
  nodeArguments: ['--import=tsx'],
  timeout: '2m',
}
