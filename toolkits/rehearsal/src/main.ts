// The rehearsal model as a program: reads its options, serves, says that it is ready.

import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { createApp } from "./app.ts";
import { readOptions, USAGE } from "./options.ts";

/** As long as clients keep a connection for the next call: the side that closes first cuts calls off. */
const KEEP_ALIVE_MS = 120_000;

async function main(): Promise<void> {
  const { listen, server: config } = await readOptions(process.argv.slice(2));
  const server = createAdaptorServer({
    fetch: createApp(config).fetch,
    overrideGlobalObjects: false,
    serverOptions: { keepAliveTimeout: KEEP_ALIVE_MS },
  });
  server.on("error", (error) => fail(error));
  server.listen(listen, () => {
    const where =
      "fd" in listen ? `descriptor ${listen.fd}` : `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    process.stdout.write(`ready on ${where}\n`);
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(0));
}

function fail(error: unknown): void {
  process.stderr.write(`rehearsal: ${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
  process.exit(1);
}

await main().catch(fail);
