// Seals a secret to the core's public key: what comes out may pass through anything. The form is `SecretStoreParams`.

import { createHash } from "node:crypto";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { randomBytes } from "@noble/ciphers/utils.js";
import { x25519 } from "@noble/curves/ed25519.js";

const CONTEXT = "openwrap/seal/1";
const KEY_BYTES = 32;
const NONCE_BYTES = 24;

/** Wipes the secret. The public key is base64url; so is the result. */
export function seal(name: string, secret: Uint8Array, publicKey: string): string {
  const recipient = Buffer.from(publicKey, "base64url");
  if (recipient.length !== KEY_BYTES) throw new Error("the core's public key is not 32 bytes");
  const ephemeralSecret = x25519.utils.randomSecretKey();
  const shared = x25519.getSharedSecret(ephemeralSecret, recipient);
  const ephemeral = x25519.getPublicKey(ephemeralSecret);
  const key = createHash("sha256").update(CONTEXT).update(shared).update(ephemeral).update(recipient).digest();
  const nonce = randomBytes(NONCE_BYTES);
  try {
    const sealed = xchacha20poly1305(key, nonce, Buffer.from(name, "utf8")).encrypt(secret);
    return Buffer.concat([ephemeral, nonce, sealed]).toString("base64url");
  } finally {
    for (const bytes of [secret, ephemeralSecret, shared, key]) bytes.fill(0);
  }
}
