// As a person starts it: the image's own user, a network of the container's own, one port published on this machine.

import { X509Certificate } from "node:crypto";
import { request } from "node:https";
import type { Findings } from "./check.ts";
import { type Engine, imageOf } from "./engine.ts";
import { confinedArguments, freePort, Running, removeVolume, run } from "./running.ts";

const WHERE = "plain, published, as its own user";

interface Answer {
  status: number;
  text: string;
}

/** `ca`: what is trusted; nothing is asked of the certificate without one. */
function ask(url: string, ca?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const trust = ca === undefined ? { rejectUnauthorized: false } : { ca };
    const asked = request(url, { ...trust, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asked.on("error", reject).end();
  });
}

/** The image's own question whether it is well. */
async function checkHealthQuestion(engine: Engine, running: Running, findings: Findings): Promise<void> {
  const [program = "", ...first] = engine.client;
  const format = "{{json .Config.Healthcheck.Test}}";
  const { stdout } = await run(program, [...first, "image", "inspect", "--format", format, imageOf("plain")]);
  const [kind, ...words] = JSON.parse(stdout.trim() || "[]") as string[];
  const asked = kind === "CMD" ? await running.exec(...words) : undefined;
  findings.say(WHERE, "HEALTHCHECK", asked?.status === 0, `status ${asked?.status ?? "none"}`);
}

export async function checkPublished(engine: Engine, seccomp: string | undefined, findings: Findings): Promise<void> {
  const port = await freePort();
  const volume = `open-wrap-check-${process.pid}-published`;
  const origin = `https://localhost:${port}`;
  const place = ["--publish", `127.0.0.1:${port}:8642`, "--env", `OPENWRAP_HOSTS=localhost:${port}`];
  const isThere = async (): Promise<boolean> => (await ask(`${origin}/api/health`)).status === 200;
  try {
    const args = [...confinedArguments(engine, [], seccomp), ...place];
    const running = await Running.start(engine, "plain", volume, args, isThere);
    try {
      const uid = (await running.exec("id", "-u")).stdout.trim();
      findings.say(WHERE, "user", uid === "1000", `uid ${uid}`);
      await checkHealthQuestion(engine, running, findings);
      const ca = (await ask(`${origin}/trust/open-wrap.crt`)).text;
      const told = / SHA-256 ([0-9A-F:]+)$/m.exec(running.log())?.[1];
      const { fingerprint256 } = new X509Certificate(ca);
      findings.say(WHERE, "certificate in the log", fingerprint256 === told, `SHA-256 ${fingerprint256.slice(0, 23)}…`);
      const answers = await Promise.all(
        ["/pair", "/api/overview", "/index.html"].map(async (path) => (await ask(`${origin}${path}`, ca)).status),
      );
      findings.say(WHERE, "pairing page, and no more", answers.join() === "200,401,401", answers.join(", "));
      const loopback = await ask(`https://127.0.0.1:${port}/api/overview`);
      findings.say(WHERE, "under another name", loopback.status === 421, String(loopback.status));
    } finally {
      await running.stop();
    }
  } catch (error) {
    findings.say(WHERE, "works", false, error instanceof Error ? error.message.slice(0, 1_000) : String(error));
  } finally {
    await removeVolume(engine, volume);
  }
}
