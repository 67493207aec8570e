// Amounts as people type them.

import type { Budget } from "@openwrap/contracts";

/** Of a dollar. */
export const MICRO = 1_000_000;

/** Undefined for what is no amount above nothing. */
export function amountOf(text: string): number | undefined {
  const value = Number(text.trim().replace(/^\$/, ""));
  return text.trim() !== "" && Number.isFinite(value) && value > 0 ? value : undefined;
}

export function budgetOf(dollars: string, tokens: string): Budget | undefined {
  const [cost, count] = [amountOf(dollars), amountOf(tokens)];
  if (cost === undefined && count === undefined) return undefined;
  return {
    ...(cost === undefined ? {} : { costMicroUsd: Math.round(cost * MICRO) }),
    ...(count === undefined ? {} : { tokens: Math.round(count) }),
  };
}
