// `/launch?code=…`: the one link that signs a browser in. It works once; what it gives is a cookie the page cannot read
// and a tab secret in the fragment, which no server ever sees; the device's id goes with it, for the browser's own key.

import type { Fault, SignIn } from "@openwrap/contracts";
import type { Hono } from "hono";
import type { OpenedCore } from "./api.ts";
import { credentialsOf, deviceCookie } from "./credentials.ts";
import { statusOf } from "./fault.ts";
import { plainPage } from "./plain-page.ts";

export function mountLaunch(app: Hono, core: OpenedCore): void {
  app.get("/launch", async (context) => {
    const request = context.req.raw;
    // A browser that only looks ahead must not use the link up.
    if (request.method !== "GET" || /prefetch|prerender/.test(request.headers.get("sec-purpose") ?? "")) {
      return plainPage(503, "Open this link in a tab to sign in.");
    }
    const code = context.req.query("code") ?? "";
    if (!/^[A-Za-z0-9_-]{1,256}$/.test(code)) return plainPage(400, "This is not a launch link.");
    const credentials = JSON.stringify(credentialsOf(request.headers));
    const answer = await (await core()).call("session.redeem", JSON.stringify({ code }), credentials);
    const { ok, error } = JSON.parse(answer) as { ok?: SignIn; error?: Fault };
    if (!ok) {
      const fault = error ?? { code: "INTERNAL" as const, message: "no answer", hint: "" };
      return plainPage(statusOf(fault.code), `${fault.message}. Get a new link with: openwrap open`);
    }
    return new Response(null, {
      status: 303,
      headers: {
        location: `/#tab=${ok.tabSecret}&device=${ok.deviceId}`,
        "set-cookie": deviceCookie(ok.cookie, "loopback"),
        "cache-control": "no-store",
      },
    });
  });
}
