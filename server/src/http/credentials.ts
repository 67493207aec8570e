// What a request carries to say who it is.

export const COOKIE = "openwrap_device";
export const TAB_HEADER = "x-openwrap-tab";

/** A year; the device can be revoked at any time. */
const COOKIE_SECONDS = 365 * 24 * 3600;
const SECRET = /^[A-Za-z0-9_-]{1,256}$/;

export interface Credentials {
  cookie?: string;
  tabSecret?: string;
  cliToken?: string;
}

export function credentialsOf(headers: Pick<Headers, "get">): Credentials {
  const found: Credentials = {};
  const cookies = (headers.get("cookie") ?? "").split(";").map((part) => part.trim());
  const values = cookies.filter((part) => part.startsWith(`${COOKIE}=`)).map((part) => part.slice(COOKIE.length + 1));
  // Two of them: another server on this host name planted one. Neither is believed.
  if (values.length === 1 && SECRET.test(values[0] ?? "")) found.cookie = values[0] ?? "";
  const tab = headers.get(TAB_HEADER);
  if (tab !== null && SECRET.test(tab)) found.tabSecret = tab;
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

/** `headers`: of the request. One that came over TLS, as its page or the proxy in front says, gets a cookie for TLS only. */
export function deviceCookie(value: string, headers: Pick<Headers, "get">): string {
  const tls = headers.get("origin")?.startsWith("https:") || headers.get("x-forwarded-proto") === "https";
  return `${COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${COOKIE_SECONDS}${tls ? "; Secure" : ""}`;
}
