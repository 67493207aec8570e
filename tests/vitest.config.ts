import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Tests of the TypeScript parts; the end-to-end tests in `tests/e2e` have their own config.
export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    include: ["{server,web,toolkits,native,tests}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", "target/**", "tests/e2e/**"],
    environment: "node",
    testTimeout: 30_000,
    // A busy machine is slow, not wrong.
    expect: { poll: { timeout: 15_000 } },
  },
});
