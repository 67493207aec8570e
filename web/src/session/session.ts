// Who this tab is. The cookie alone is never enough: the tab's secret comes from a launch link, an open tab, or the
// browser's key. It is kept for this tab only, so that a reload stays signed in.

import { ApiFault, createClient } from "@openwrap/contracts/client";
import { dropKey, freshKey, keepKey, keptKey, sign } from "./device-key.ts";
import { dropTabSecret, isTabSecret, keepTabSecret, keptTabSecret } from "./tab-secret.ts";

const TAB_HEADER = "x-openwrap-tab";
const CHANNEL = "openwrap/session";
const DEVICE = /^[A-Za-z0-9_-]{1,128}$/;
/** An open tab answers within a few milliseconds. */
const TAB_WAIT_MS = 200;

type Message = { type: "ask"; id: string } | { type: "give"; id: string; secret: string };

export function noAnswer(): ApiFault {
  return new ApiFault(
    {
      code: "INTERNAL",
      message: "The server does not answer.",
      hint: "Check that Open Wrap still runs on this machine; start it with: openwrap serve",
    },
    0,
  );
}

/** What a launch link left in the fragment. */
export function readFragment(fragment: string): { secret: string; deviceId: string | undefined } | undefined {
  const values = new URLSearchParams(fragment.replace(/^#/, ""));
  const secret = values.get("tab") ?? "";
  const device = values.get("device") ?? "";
  if (!isTabSecret(secret)) return undefined;
  return { secret, deviceId: DEVICE.test(device) ? device : undefined };
}

export class Session {
  private secret: string | undefined;
  /** The server took the secret: only such a one is given to other tabs. */
  private taken = false;
  private readonly channel = new BroadcastChannel(CHANNEL);
  private readonly asked = new Map<string, (secret: string) => void>();
  private recovering: Promise<boolean> | undefined;
  private readonly signedOut: () => void;
  private readonly open = createClient({ fetch: (url, init) => this.plain(url, init) });

  /** `signedOut` is told when nothing is left to sign in with. */
  constructor(signedOut: () => void) {
    this.signedOut = signedOut;
    this.channel.onmessage = (message: MessageEvent<Message>) => this.hear(message.data);
  }

  /** True when this tab has a secret to try. */
  async start(): Promise<boolean> {
    const given = readFragment(location.hash);
    if (given) {
      history.replaceState(history.state, "", location.pathname + location.search);
      this.keep(given.secret);
      if (given.deviceId !== undefined) void this.registerKey(given.deviceId, given.secret);
      return true;
    }
    const kept = keptTabSecret();
    if (kept !== undefined) {
      this.secret = kept;
      return true;
    }
    return this.recover();
  }

  /** Signs in with a launch link, or the code in it, that a person pasted. */
  async redeem(text: string): Promise<void> {
    const code = /[?&]code=([A-Za-z0-9_-]+)/.exec(text)?.[1] ?? text.trim();
    const { tabSecret, deviceId } = await this.open.session.redeem({ code });
    this.keep(tabSecret);
    void this.registerKey(deviceId, tabSecret);
  }

  /** `fetch` as this tab. Once refused, it tries to sign in again before it gives up. */
  readonly fetch = async (url: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const used = this.secret;
    const first = await this.plain(url, this.signed(init));
    if (first.status !== 401) {
      this.taken ||= used !== undefined && used === this.secret;
      return first;
    }
    const again = this.secret !== used || (await this.recover());
    return again ? this.plain(url, this.signed(init)) : first;
  };

  /** A socket as this tab: a browser sets no header on one, so the secret travels as a protocol that is offered. */
  socket(path: string, protocol: string): WebSocket {
    const url = new URL(path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return new WebSocket(url, this.secret === undefined ? [protocol] : [protocol, `tab.${this.secret}`]);
  }

  private signed(init: RequestInit, secret = this.secret): RequestInit {
    const headers = new Headers(init.headers);
    if (secret !== undefined) headers.set(TAB_HEADER, secret);
    return { ...init, headers };
  }

  private async plain(url: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    try {
      return await fetch(url, init);
    } catch (error) {
      if (init?.signal?.aborted) throw error;
      throw noAnswer();
    }
  }

  private keep(secret: string): void {
    this.secret = secret;
    this.taken = false;
    keepTabSecret(secret);
  }

  /** One attempt at a time; true when there is a new secret. */
  private recover(): Promise<boolean> {
    this.recovering ??= this.newSecret().finally(() => {
      this.recovering = undefined;
    });
    return this.recovering;
  }

  private async newSecret(): Promise<boolean> {
    const stale = this.secret;
    const secret = (await this.prove()) ?? (await this.askTabs(stale));
    if (secret === undefined) {
      this.secret = undefined;
      dropTabSecret();
      this.signedOut();
      return false;
    }
    this.keep(secret);
    return true;
  }

  private async prove(): Promise<string | undefined> {
    const key = await keptKey();
    if (!key) return undefined;
    try {
      const { nonce } = await this.open.session.challenge({ deviceId: key.deviceId });
      const signature = await sign(key, nonce);
      return (await this.open.session.prove({ deviceId: key.deviceId, nonce, signature })).tabSecret;
    } catch (error) {
      // A server that is away says nothing about who we are.
      if (error instanceof ApiFault && error.status === 0) throw error;
      return undefined;
    }
  }

  private askTabs(stale: string | undefined): Promise<string | undefined> {
    const id = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
    return new Promise((resolve) => {
      const finish = (secret: string | undefined) => {
        clearTimeout(timer);
        this.asked.delete(id);
        resolve(secret);
      };
      const timer = setTimeout(() => finish(undefined), TAB_WAIT_MS);
      this.asked.set(id, (secret) => {
        if (secret !== stale) finish(secret);
      });
      this.channel.postMessage({ type: "ask", id } satisfies Message);
    });
  }

  private hear(message: Message): void {
    if (message.type === "give") {
      if (isTabSecret(message.secret)) this.asked.get(message.id)?.(message.secret);
    } else if (this.secret !== undefined && this.taken && !this.recovering) {
      this.channel.postMessage({ type: "give", id: message.id, secret: this.secret } satisfies Message);
    }
  }

  /**
   * With this secret and no other: any page can open ours with a fragment of its own, and must not make the browser forget its key. A
   * new key is kept when the server has taken it.
   */
  private async registerKey(deviceId: string, secret: string): Promise<void> {
    const kept = await keptKey();
    const known = kept?.deviceId === deviceId ? kept : undefined;
    const key = known ?? (await freshKey(deviceId));
    if (!key) return;
    const client = createClient({ fetch: (url, init = {}) => this.plain(url, this.signed(init, secret)) });
    try {
      await client.session.registerKey({ publicKey: key.publicKey });
      if (!known) await keepKey(key);
    } catch (error) {
      // The device is known under another key: this one would never be believed.
      if (known && error instanceof ApiFault && error.code === "ALREADY_EXISTS") await dropKey();
    }
  }
}
