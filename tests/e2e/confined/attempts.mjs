// Played by a worker's `node`: tries to leave its view, and prints what each try was answered with.

import { createSocket } from "node:dgram";
import * as fs from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

const targets = JSON.parse(fs.readFileSync("targets.json", "utf8"));
const outcomes = {};

function attempt(name, act) {
  try {
    act();
    outcomes[name] = "DONE";
  } catch (error) {
    outcomes[name] = error.code ?? String(error);
  }
}

function sent(name, start) {
  return new Promise((resolve) => {
    const done = (outcome) => {
      outcomes[name] ??= outcome;
      resolve();
    };
    setTimeout(() => done("NO ANSWER"), 2_000).unref();
    try {
      start(
        () => done("DONE"),
        (error) => done(error.code ?? String(error)),
      );
    } catch (error) {
      done(error.code ?? String(error));
    }
  });
}

const tcp = (options) => (yes, no) => connect(options, yes).on("error", no);
const udp = (kind, address, port) => (yes, no) => {
  const socket = createSocket(kind).on("error", no);
  socket.send("x", port, address, (error) => (error ? no(error) : yes()));
};

for (const [name, path] of Object.entries(targets.folders)) {
  attempt(`write ${name}`, () => fs.writeFileSync(join(path, "planted"), "x"));
  attempt(`make folder ${name}`, () => fs.mkdirSync(join(path, "planted-folder")));
  attempt(`list ${name}`, () => fs.readdirSync(path));
}
for (const [name, path] of Object.entries(targets.files)) {
  attempt(`read ${name}`, () => fs.readFileSync(path));
  attempt(`append ${name}`, () => fs.appendFileSync(path, "x"));
  attempt(`truncate ${name}`, () => fs.truncateSync(path));
  attempt(`remove ${name}`, () => fs.unlinkSync(path));
  attempt(`move ${name}`, () => fs.renameSync(path, "moved"));
  attempt(`hard link ${name}`, () => fs.linkSync(path, "linked"));
  fs.rmSync("way", { force: true });
  fs.symlinkSync(path, "way");
  attempt(`read through link ${name}`, () => fs.readFileSync("way"));
  attempt(`write through link ${name}`, () => fs.appendFileSync("way", "x"));
}
fs.rmSync("way", { force: true });
for (const file of ["environ", "mem", "maps", "cmdline", "root/etc/passwd", "cwd"]) {
  attempt(`read server ${file}`, () => fs.readFileSync(`/proc/${targets.server}/${file}`));
}
attempt("list server fd", () => fs.readdirSync(`/proc/${targets.server}/fd`));
attempt("read own environ", () => fs.readFileSync("/proc/self/environ"));
attempt("signal server", () => process.kill(targets.server, 0));
attempt("signal parent", () => process.kill(process.ppid, 0));
await Promise.all([
  sent("TCP server", tcp({ host: "127.0.0.1", port: targets.serverPort })),
  sent("TCP", tcp({ host: "127.0.0.1", port: targets.tcpPort })),
  sent("TCP by ::1", tcp({ host: "::1", port: targets.tcpPort })),
  sent("UDP", udp("udp4", "127.0.0.1", targets.udpPort)),
  sent("UDP by ::1", udp("udp6", "::1", targets.udpPort)),
  sent("UNIX", tcp({ path: targets.unixPath })),
]);
// What is left alone is measured last: a mode can be set, where the kernel has no rule for it, without any content.
attempt("set mode key", () => fs.chmodSync(targets.files.key, 0o644));
// A view is there to be worked in.
fs.writeFileSync("inside.txt", "x");
fs.renameSync("inside.txt", "allowed.txt");
console.log(JSON.stringify(outcomes));
process.exit(0);
