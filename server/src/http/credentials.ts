// What a request carries to say who it is.

export const COOKIE = "openwrap_device";
/** Beyond this machine. The prefix keeps it to TLS and to this very host: no other server can plant one. */
export const SECURE_COOKIE = `__Host-${COOKIE}`;
export const TAB_HEADER = "x-openwrap-tab";

/** A year; the device can be revoked at any time. */
const COOKIE_SECONDS = 365 * 24 * 3600;
const SECRET = /^[A-Za-z0-9_-]{1,256}$/;

/** Which way a request came: from this machine as it is, or from beyond it, over TLS that is ours or a named proxy's. */
export type Way = "loopback" | "beyond";

export interface Credentials {
  cookie?: string;
  tabSecret?: string;
  cliToken?: string;
}

export function credentialsOf(headers: Pick<Headers, "get">, way: Way = "loopback"): Credentials {
  const found: Credentials = {};
  const wanted = `${way === "beyond" ? SECURE_COOKIE : COOKIE}=`;
  const cookies = (headers.get("cookie") ?? "").split(";").map((part) => part.trim());
  const values = cookies.filter((part) => part.startsWith(wanted)).map((part) => part.slice(wanted.length));
  // Two of them: another server on this host name planted one. Neither is believed.
  if (values.length === 1 && SECRET.test(values[0] ?? "")) found.cookie = values[0] ?? "";
  const tab = headers.get(TAB_HEADER);
  if (tab !== null && SECRET.test(tab)) found.tabSecret = tab;
  // The command line runs on this machine.
  if (way === "beyond") return found;
  const bearer = /^Bearer ([A-Za-z0-9_-]{1,256})$/.exec(headers.get("authorization") ?? "")?.[1];
  if (bearer !== undefined) found.cliToken = bearer;
  return found;
}

/** Whether the request carries what any method that is not open needs at least. */
export function carriesEnough(credentials: Credentials): boolean {
  return (
    credentials.cliToken !== undefined || (credentials.cookie !== undefined && credentials.tabSecret !== undefined)
  );
}

export function deviceCookie(value: string, way: Way): string {
  const name = way === "beyond" ? SECURE_COOKIE : COOKIE;
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${COOKIE_SECONDS}${way === "beyond" ? "; Secure" : ""}`;
}
