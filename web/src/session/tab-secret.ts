// Where a tab keeps its secret over a reload.

const KEY = "openwrap.tab";
const SECRET = /^[A-Za-z0-9_-]{16,256}$/;

export const isTabSecret = (text: string): boolean => SECRET.test(text);

export function keptTabSecret(): string | undefined {
  const kept = sessionStorage.getItem(KEY);
  return kept !== null && isTabSecret(kept) ? kept : undefined;
}

export function keepTabSecret(secret: string): void {
  sessionStorage.setItem(KEY, secret);
}

export function dropTabSecret(): void {
  sessionStorage.removeItem(KEY);
}
