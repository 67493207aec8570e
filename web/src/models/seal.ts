// Seals a key to the core's public key before it leaves the page: what goes out may pass through anything. The form is
// `SecretStoreParams`.

import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";

const CONTEXT = new TextEncoder().encode("openwrap/seal/1");
const KEY_BYTES = 32;
const NONCE_BYTES = 24;

/** Wipes the secret. The public key is base64url; so is the result. Throws when the public key is none. */
export function seal(name: string, secret: Uint8Array, publicKey: string): string {
  const recipient = fromBase64Url(publicKey);
  if (recipient.length !== KEY_BYTES) throw new Error("the core's public key is not 32 bytes");
  const own = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  const shared = x25519.getSharedSecret(own, recipient);
  const ephemeral = x25519.getPublicKey(own);
  const key = sha256(joined(CONTEXT, shared, ephemeral, recipient));
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  try {
    const sealed = xchacha20poly1305(key, nonce, new TextEncoder().encode(name)).encrypt(secret);
    return toBase64Url(joined(ephemeral, nonce, sealed));
  } finally {
    for (const bytes of [secret, own, shared, key]) bytes.fill(0);
  }
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function fromBase64Url(text: string): Uint8Array {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

function toBase64Url(bytes: Uint8Array): string {
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
