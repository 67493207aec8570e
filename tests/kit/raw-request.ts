// HTTP requests byte by byte: with any header, as often as one likes.

import { connect } from "node:net";

export interface RawAnswer {
  /** 0 when the other side ended without an answer. */
  status: number;
  /** Everything that was answered. */
  text: string;
}

export interface RawRequest {
  method?: string;
  /** As it stands in the first line. */
  target: string;
  /** In this order, as often as given. */
  headers: [name: string, value: string][];
  body?: string;
  address?: string;
}

const SILENCE_MS = 10_000;

/** Sends one request on a connection of its own and reads to the end of the connection. */
export function rawRequest(port: number, request: RawRequest): Promise<RawAnswer> {
  const { method = "GET", target, headers, body, address = "127.0.0.1" } = request;
  const sent: [string, string][] = [...headers, ["Connection", "close"]];
  if (body !== undefined) sent.push(["Content-Length", String(Buffer.byteLength(body))]);
  const head = [`${method} ${target} HTTP/1.1`, ...sent.map(([name, value]) => `${name}: ${value}`), "", ""].join(
    "\r\n",
  );
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = connect({ port, host: address }, () => socket.write(head + (body ?? "")));
    socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error(`no answer to ${method} ${target}`)));
    socket.on("data", (part) => parts.push(part));
    socket.on("error", reject);
    socket.on("close", () => {
      const text = Buffer.concat(parts).toString("utf8");
      resolve({ status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0), text });
    });
  });
}
