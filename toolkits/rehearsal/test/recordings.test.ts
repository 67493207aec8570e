// Recordings with the provider's own package as the judge of the wire.

import OpenAI, { toFile } from "openai";
import { afterEach, expect, test } from "vitest";
import type { ServerConfig } from "../src/app.ts";
import { RECORDING_BYTES_MAX } from "../src/transcriptions.ts";
import { type RunningRehearsal, startRehearsal } from "./running-rehearsal.ts";

const running: RunningRehearsal[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((rehearsal) => rehearsal.close()));
});

async function start(config: Partial<ServerConfig> = {}): Promise<RunningRehearsal> {
  const rehearsal = await startRehearsal({ models: ["whisper-1", "gpt-4o-transcribe"], ...config });
  running.push(rehearsal);
  return rehearsal;
}

const sound = (bytes = 2_000): Buffer => Buffer.concat([Buffer.from("ID3\x04"), Buffer.alloc(bytes - 4)]);

async function refusal(call: Promise<unknown>): Promise<{ status: number | undefined; message: string }> {
  try {
    await call;
  } catch (error) {
    if (error instanceof OpenAI.APIError) return { status: error.status, message: error.message };
    throw error;
  }
  throw new Error("it was taken");
}

test("the client reads words and usage, by time or by tokens; without words it says that nobody has listened", async () => {
  const { client } = await start({ transcript: "Hello there." });
  const file = await toFile(sound(), "talk.mp3");
  const timed = await client.audio.transcriptions.create({ file, model: "whisper-1", prompt: "Open Wrap" });
  expect(timed).toEqual({ text: "Hello there.", usage: { type: "duration", seconds: 1 } });
  const counted = await client.audio.transcriptions.create({ file, model: "gpt-4o-transcribe" });
  expect(counted.usage).toMatchObject({ type: "tokens", input_tokens: 3, output_tokens: 3, total_tokens: 6 });
  const { client: rehearsing } = await start();
  const { text } = await rehearsing.audio.transcriptions.create({ file, model: "whisper-1" });
  expect(text).toBe("Rehearsal: nobody has listened to this recording of 2000 bytes.");
});

test("what the provider refuses is refused", async () => {
  const { client, url } = await start();
  const send = (bytes: Buffer, name: string, more: object = {}) =>
    refusal(
      toFile(bytes, name).then((file) => client.audio.transcriptions.create({ file, model: "whisper-1", ...more })),
    );
  expect(await send(sound(), "talk.txt")).toMatchObject({
    status: 400,
    message: expect.stringContaining("file format"),
  });
  expect(await send(Buffer.from("no sound at all"), "talk.mp3")).toMatchObject({ status: 400 });
  expect(await send(sound(RECORDING_BYTES_MAX + 1), "talk.mp3")).toMatchObject({ status: 413 });
  expect(await send(sound(), "talk.mp3", { model: "other" })).toMatchObject({ status: 404 });
  expect(await send(sound(), "talk.mp3", { frobnicate: "1" })).toMatchObject({ status: 400 });
  const headers = { authorization: "Bearer sk-test", "content-type": "application/json" };
  const json = await fetch(`${url}/audio/transcriptions`, { method: "POST", headers, body: "{}" });
  expect(json.status).toBe(415);
  const form = { ...headers, "content-type": "multipart/form-data; boundary=x" };
  const broken = await fetch(`${url}/audio/transcriptions`, { method: "POST", headers: form, body: "--x\r\n" });
  expect(broken.status).toBe(400);
});
