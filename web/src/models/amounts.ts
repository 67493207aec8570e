// Amounts as people type them.

import type { Budget } from "@openwrap/contracts";

/** Of a dollar. */
export const MICRO = 1_000_000;

/** Thousands to some, a decimal sign and three digits to others. */
const AMBIGUOUS = /^[1-9]\d{0,2},\d{3}$/;

/** With a point or a comma before the decimals. Undefined for what is no amount above nothing, or could be two. */
export function amountOf(text: string): number | undefined {
  const plain = text.trim().replace(/^\$\s*/, "");
  if (AMBIGUOUS.test(plain)) return undefined;
  const value = /^\d*([.,]\d*)?$/.test(plain) ? Number(plain.replace(",", ".")) : Number.NaN;
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

/** What is wrong with an amount as it was typed; undefined when it is one, or nothing was typed. */
export function amountFault(text: string): string | undefined {
  if (text.trim() === "" || amountOf(text) !== undefined) return undefined;
  return "An amount above nothing, such as 2.50.";
}

/** As `amountFault`, of what is counted in whole ones. */
export function countFault(text: string): string | undefined {
  if (text.trim() === "" || countOf(text) !== undefined) return undefined;
  return "A whole number above nothing, such as 50000.";
}

function countOf(text: string): number | undefined {
  const plain = text.trim();
  return /^\d{1,15}$/.test(plain) && Number(plain) > 0 ? Number(plain) : undefined;
}

export function budgetOf(dollars: string, tokens: string): Budget | undefined {
  const [cost, count] = [amountOf(dollars), countOf(tokens)];
  if (cost === undefined && count === undefined) return undefined;
  return {
    ...(cost === undefined ? {} : { costMicroUsd: Math.round(cost * MICRO) }),
    ...(count === undefined ? {} : { tokens: count }),
  };
}
