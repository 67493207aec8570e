// Which addresses of pages served by tasks may be linked.

/** `127.0.0.1:PORT` of a preview; nothing for any other address, which is shown but not linked. */
export function previewHost(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, hostname, host, username, password } = new URL(url);
  const fine = protocol === "http:" && hostname === "127.0.0.1" && username === "" && password === "";
  return fine ? host : undefined;
}
