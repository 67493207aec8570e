// Colours of documents and charts: the product's paper palette as hex. Amber is left out, it means "waits for you".

export const GROUND = "FAFBFC";
export const INK = "101D28";
export const INK_SOFT = "3E4B55";
export const INK_FAINT = "57626B";
export const RULE = "6E7981";
export const HAIR = "CBD6D8";
export const STONE = "E8E6DC";
export const SUNK = "EFF3F4";
export const SEA = "1D6199";

/** Differ in lightness too, so that they can be told apart in grey. */
export const SERIES = ["1D6199", "64B096", "423658", "A68E6D", "AC5154", "8FB7D4"] as const;
