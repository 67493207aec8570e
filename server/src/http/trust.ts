// `/trust`: the local authority's certificate, how to tell that it is the right one, and how each system is told to trust it. A plain
// page: it is read before the browser trusts us.

import type { Hono } from "hono";
import { htmlPage } from "./plain-page.ts";

export interface Trust {
  /** PEM. */
  authority: string;
  /** SHA-256, upper-case hex in pairs. */
  fingerprint: string;
}

export type TrustOf = () => Trust | undefined;

const FILE = "/trust/open-wrap.crt";
const STYLES_PATH = "/trust/page.css";
const STYLES = `:root{color-scheme:light dark;--ground:#eff3f4;--ink:#16202b;--sunk:#e3e9eb;--link:#1f4fa8}
@media (prefers-color-scheme:dark){:root{--ground:#0b1219;--ink:#e6ebee;--sunk:#060b10;--link:#8fbcff}}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:42rem;margin:auto;padding:24px}h1{font:500 28px/1.2 Georgia,serif}h2{font-size:18px;margin:28px 0 4px}
code{display:block;padding:8px 12px;background:var(--sunk);overflow-wrap:anywhere;font:14px/1.6 ui-monospace,monospace}
a{color:var(--link)}ol{margin-top:4px}
`;

const STEPS: readonly (readonly [system: string, steps: readonly string[]])[] = [
  [
    "iPad and iPhone",
    [
      "Open the certificate in Safari and allow the profile to be downloaded.",
      "Settings, General, VPN & Device Management: install the profile.",
      "Settings, General, About, Certificate Trust Settings: switch it on.",
    ],
  ],
  [
    "Android",
    [
      "Download the certificate.",
      "Settings, Security, Encryption & credentials, Install a certificate, CA certificate: choose the file.",
    ],
  ],
  [
    "macOS",
    [
      "Open the downloaded certificate; it goes into the login keychain.",
      "In Keychain Access open it, and under Trust choose Always Trust for SSL.",
    ],
  ],
  [
    "Windows",
    [
      "Open the downloaded certificate and choose Install Certificate, Current User.",
      "Place it in the store Trusted Root Certification Authorities.",
    ],
  ],
  [
    "Linux",
    [
      "Chromium: Settings, Privacy and security, Security, Manage certificates, Installed by you: import it as trusted.",
      "Whole system on Debian or Ubuntu: copy it to /usr/local/share/ca-certificates/ and run update-ca-certificates.",
    ],
  ],
  ["Firefox on any system", ["Settings, Privacy & Security, View Certificates, Authorities: import it for websites."]],
];

function page({ fingerprint }: Trust): string {
  const steps = STEPS.map(
    ([system, list]) =>
      `<h2>${system.replace("&", "&amp;")}</h2><ol>${list.map((step) => `<li>${step.replace("&", "&amp;")}</li>`).join("")}</ol>`,
  );
  return [
    "<h1>Trust this Open Wrap</h1>",
    "<p>Your Open Wrap made a certificate of its own, so that what this device and it tell each other stays between them. " +
      "It vouches for the names and addresses of that one installation and for no other site.</p>",
    "<h2>1. Compare</h2><p>Open Wrap printed this fingerprint when it started, and its Devices screen shows it. Go on only if they are the same.</p>",
    `<p><code>${fingerprint}</code></p>`,
    `<h2>2. Download</h2><p><a href="${FILE}" download>The certificate</a></p>`,
    "<h2>3. Tell your system</h2>",
    ...steps,
    "<p>Then open the pairing link again. To take the trust back, remove the certificate where you added it.</p>",
  ].join("\n");
}

export function mountTrust(app: Hono, trust: TrustOf): void {
  app.get("/trust", () => {
    const known = trust();
    return known
      ? htmlPage(200, "Trust this Open Wrap", page(known), STYLES_PATH)
      : htmlPage(404, "Open Wrap", "<h1>Open Wrap</h1><p>There is no certificate to trust here.</p>");
  });
  app.get(
    STYLES_PATH,
    () => new Response(STYLES, { headers: { "content-type": "text/css; charset=utf-8", "cache-control": "no-cache" } }),
  );
  app.get(FILE, () => {
    const known = trust();
    if (!known) return htmlPage(404, "Open Wrap", "<p>There is no certificate to trust here.</p>");
    return new Response(known.authority, {
      headers: {
        "content-type": "application/x-x509-ca-cert",
        "content-disposition": 'attachment; filename="open-wrap.crt"',
        "cache-control": "no-store",
      },
    });
  });
}
