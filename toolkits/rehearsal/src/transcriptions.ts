// Recordings (`POST /v1/audio/transcriptions`): what OpenAI's servers take and refuse. Nobody listens: the words are given
// beforehand, or say so.

import { Refusal, wrong } from "./refusal.ts";

/** As the provider says it. */
export const RECORDING_BYTES_MAX = 26_214_400;
const FORMATS = ["flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm"];
const FIELDS = new Set(["file", "model", "prompt", "response_format", "language", "temperature"]);
const SECONDS_PER_MEGABYTE = 60;

export interface Recording {
  model: string;
  name: string;
  prompt: string;
  bytes: Buffer;
}

/** @throws {Refusal} */
export async function readRecording(
  contentType: string | undefined,
  body: Buffer,
  models: readonly string[],
): Promise<Recording> {
  if (!/^multipart\/form-data\s*;/i.test(contentType ?? ""))
    throw new Refusal(415, `Unsupported content type: '${contentType ?? ""}'. This API method only accepts form data.`);
  const form = await formOf(contentType ?? "", body);
  for (const name of form.keys()) {
    if (!FIELDS.has(name)) throw wrong(name, `Unknown parameter: '${name}'.`, "unknown_parameter");
  }
  const model = form.get("model");
  if (typeof model !== "string" || model === "") throw wrong("model", "you must provide a model parameter");
  if (!models.includes(model))
    throw new Refusal(404, `The model '${model}' does not exist`, { param: "model", code: "model_not_found" });
  const format = form.get("response_format") ?? "json";
  if (format !== "json")
    throw wrong("response_format", `response_format '${format}' is not compatible with this server.`);
  const prompt = form.get("prompt") ?? "";
  if (typeof prompt !== "string") throw wrong("prompt", "The prompt is a text.");
  const file = form.get("file");
  if (file === null || typeof file === "string")
    throw wrong("file", "[{'loc': ('body', 'file'), 'msg': 'field required'}]");
  return { model, prompt, name: file.name, bytes: await recordingOf(file) };
}

async function formOf(contentType: string, body: Buffer): Promise<FormData> {
  try {
    return await new Response(new Uint8Array(body), { headers: { "content-type": contentType } }).formData();
  } catch {
    throw new Refusal(400, "Could not parse multipart form");
  }
}

async function recordingOf(file: File): Promise<Buffer> {
  if (file.size > RECORDING_BYTES_MAX)
    throw new Refusal(413, `Maximum content size limit (${RECORDING_BYTES_MAX}) exceeded (${file.size} bytes read)`);
  const ending = /\.([a-z0-9]+)$/i.exec(file.name)?.[1]?.toLowerCase() ?? "";
  if (!FORMATS.includes(ending))
    throw wrong("file", `Unrecognized file format. Supported formats: ${JSON.stringify(FORMATS)}`);
  const bytes = Buffer.from(await file.arrayBuffer());
  if (!isSound(bytes)) throw wrong("file", "The audio file could not be decoded or its format is not supported.");
  return bytes;
}

/** By the first bytes, as a decoder would. */
function isSound(bytes: Buffer): boolean {
  const at = (place: number, text: string): boolean =>
    bytes.subarray(place, place + text.length).toString("latin1") === text;
  const frame = bytes.length > 1 && bytes[0] === 0xff && ((bytes[1] ?? 0) & 0xe6) === 0xe2;
  const named = at(0, "ID3") || at(0, "fLaC") || at(0, "OggS") || at(4, "ftyp") || at(0, "\x1a\x45\xdf\xa3");
  return frame || named || (at(0, "RIFF") && at(8, "WAVE"));
}

/** The words, and what is paid for: whisper by time, later models by tokens. */
export function transcribed({ model, bytes }: Recording, words: string | undefined): object {
  const text = words ?? `Rehearsal: nobody has listened to this recording of ${bytes.length} bytes.`;
  if (model.startsWith("whisper"))
    return { text, usage: { type: "duration", seconds: Math.ceil((bytes.length / 1_000_000) * SECONDS_PER_MEGABYTE) } };
  const [read, written] = [Math.ceil(bytes.length / 1_000) + 1, Math.ceil(text.length / 4)];
  return {
    text,
    usage: {
      type: "tokens",
      input_tokens: read,
      input_token_details: { text_tokens: 0, audio_tokens: read },
      output_tokens: written,
      total_tokens: read + written,
    },
  };
}
