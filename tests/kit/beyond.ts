// A server that other devices reach, and what it printed for them.

import { type ServerOptions, startServer, type TestServer } from "./server.ts";

export interface BeyondServer {
  server: TestServer;
  /** `https://ADDRESS:PORT`. */
  origin: string;
  /** The pairing that was printed at the start. */
  link: string;
  code: string;
  /** As printed. */
  fingerprint: string;
  /** PEM of the authority to trust, as the page on this machine gives it. */
  ca: string;
}

/** Listens on an address beside the loopback. */
export async function startBeyond(address: string, options: ServerOptions = {}): Promise<BeyondServer> {
  const server = await startServer({ ...options, args: ["--port", "0", "--listen", address, ...(options.args ?? [])] });
  try {
    const [, link = ""] = await server.child.line(/^Other devices: (\S+)$/);
    const [, first = "", second = ""] = await server.child.line(/^ {2}Code (\d{3}) (\d{3}) /);
    const [, fingerprint = ""] = await server.child.line(/SHA-256 ([0-9A-F:]+)$/);
    const ca = await (await fetch(`${server.url}/trust/open-wrap.crt`)).text();
    return { server, origin: new URL(link).origin, link, code: first + second, fingerprint, ca };
  } catch (error) {
    await server.dispose();
    throw error;
  }
}
