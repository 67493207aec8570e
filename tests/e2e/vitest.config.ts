import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Tests of the whole built product: the real server, the real page in Chromium, the scripted model server.
export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  test: {
    include: ["tests/e2e/**/*.test.ts"],
    environment: "node",
    pool: "forks",
    // Each file starts servers and a browser of its own.
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 60_000,
    // A busy machine is slow, not wrong.
    expect: { poll: { timeout: 30_000 } },
  },
});
