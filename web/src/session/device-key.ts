// The browser's own key: made here, never leaves, signs a challenge when a tab has lost its secret.

export interface DeviceKey {
  deviceId: string;
  privateKey: CryptoKey;
  /** Raw Ed25519 key, base64url. */
  publicKey: string;
}

const DATABASE = "openwrap";
const STORE = "device";
const ENTRY = "key";
const CONTEXT = "openwrap/device/1";

export function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
}

function asPromise<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function inStore<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await asPromise(opening);
  try {
    return await asPromise(act(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

/** The kept key; nothing when there is none or the browser keeps nothing. */
export async function keptKey(): Promise<DeviceKey | undefined> {
  try {
    return (await inStore<DeviceKey | undefined>("readonly", (store) => store.get(ENTRY))) ?? undefined;
  } catch {
    return undefined;
  }
}

export async function dropKey(): Promise<void> {
  await inStore("readwrite", (store) => store.delete(ENTRY)).catch(() => undefined);
}

/** A new key for this device, not kept yet. Nothing where the browser knows no Ed25519. */
export async function freshKey(deviceId: string): Promise<DeviceKey | undefined> {
  try {
    const pair = (await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"])) as CryptoKeyPair;
    const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    return { deviceId, privateKey: pair.privateKey, publicKey: base64url(raw) };
  } catch {
    return undefined;
  }
}

/** In place of the one before, where the browser keeps anything. */
export async function keepKey(key: DeviceKey): Promise<void> {
  await inStore("readwrite", (store) => store.put(key, ENTRY)).catch(() => undefined);
}

export function sign(key: DeviceKey, nonce: string): Promise<string> {
  return signText(key, CONTEXT + nonce);
}

export async function signText(key: DeviceKey, text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  return base64url(new Uint8Array(await crypto.subtle.sign({ name: "Ed25519" }, key.privateKey, bytes)));
}
