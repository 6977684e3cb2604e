import { defineConfig } from 'vitest/config';

// Node has a WebSocket of its own from version 22 on.
const execArgv = Number(process.versions.node.split('.')[0]) < 22 ? ['--experimental-websocket'] : [];

export default defineConfig({
  test: {
    include: ['test/integration/*.test.ts'],
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    execArgv,
  },
});
