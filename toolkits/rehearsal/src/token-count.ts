// What a provider would count, near enough: four bytes a token, and a picture the same whatever its bytes.

export const BYTES_PER_TOKEN = 4;
const PICTURE_TOKENS = 1_000;

export function tokensOf(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}

/** Tokens of any part of a request. `picture` is the key under which a wire holds one; what stands under `unseen` counts nothing. */
export function tokensOfPart(part: unknown, { picture, unseen }: { picture: string; unseen?: string }): number {
  let pictures = 0;
  const text = JSON.stringify(part ?? "", (key, value: unknown) => {
    if (key === unseen) return undefined;
    if (key !== picture) return value;
    pictures += 1;
    return undefined;
  });
  return tokensOf(text) + pictures * PICTURE_TOKENS;
}
