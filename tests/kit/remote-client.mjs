// Runs on the other machine: makes the requests it reads, a line of JSON each, and says what came of them.

import { connect } from "node:http2";
import { request } from "node:https";
import { isIP } from "node:net";
import { createInterface } from "node:readline";
import WebSocket from "ws";

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const sessions = new Map();

function session(origin, ca) {
  const known = sessions.get(origin);
  if (known && !known.destroyed && !known.closed) return known;
  const made = connect(origin, { ca });
  made.on("error", () => sessions.delete(origin));
  made.on("close", () => sessions.delete(origin));
  sessions.set(origin, made);
  return made;
}

/** Over HTTP/2; `stream`: what comes is only counted, and the end is said. */
function overHttp2({ id, origin, path, method = "GET", headers = {}, body, ca, stream }) {
  const asked = session(origin, ca).request({ ":method": method, ":path": path, ...headers });
  const parts = [];
  let status = 0;
  let answered = {};
  asked.on("response", (head) => {
    status = head[":status"];
    answered = head;
    if (stream) say({ id, status });
  });
  asked.on("data", (part) => {
    if (!stream) parts.push(part);
    else say({ id, part: part.toString("latin1").slice(0, 20_000) });
  });
  asked.on("error", (error) => say({ id, ended: true, error: error.message }));
  asked.on("end", () => {
    say(stream ? { id, ended: true } : { id, status, headers: answered, text: Buffer.concat(parts).toString("utf8") });
  });
  asked.end(body);
}

function overHttp1({ id, origin, path, method = "GET", headers = {}, body, ca }) {
  // Not the name in a `host` header: whom to talk to and what to ask for are two things here.
  const { hostname } = new URL(origin);
  const servername = isIP(hostname) ? "" : hostname;
  const asked = request(`${origin}${path}`, { method, headers, ca, servername, agent: false }, (response) => {
    const parts = [];
    response.on("data", (part) => parts.push(part));
    response.on("end", () =>
      say({ id, status: response.statusCode, headers: response.headers, text: Buffer.concat(parts).toString("utf8") }),
    );
  });
  asked.on("error", (error) => say({ id, status: 0, headers: {}, text: error.message }));
  asked.end(body);
}

function socket({ id, origin, path, headers, protocols, ca }) {
  const open = new WebSocket(origin.replace(/^https/, "wss") + path, protocols, { ca, headers });
  open.on("open", () => say({ id, status: 101 }));
  open.on("unexpected-response", (_, response) => say({ id, status: response.statusCode, ended: true }));
  open.on("error", (error) => say({ id, ended: true, error: error.message }));
  open.on("close", () => say({ id, ended: true }));
}

const ACTS = { h2: overHttp2, h1: overHttp1, socket };

createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  try {
    ACTS[asked.kind](asked);
  } catch (error) {
    say({ id: asked.id, status: 0, headers: {}, text: error.message, ended: true });
  }
});
say({ ready: true });
