#!/usr/bin/env node
// The command `openwrap`.

import { main } from "./cli/main.ts";
import { processTerminal } from "./cli/terminal.ts";

process.exitCode = await main(process.argv.slice(2), processTerminal());
// Everything is closed by now; a handle that something left open must not keep the process.
setTimeout(() => process.exit(), 2_000).unref();
