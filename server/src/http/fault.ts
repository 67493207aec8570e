// Faults as HTTP answers.

import type { ErrorCode, Fault } from "@openwrap/contracts";
import { ERRORS } from "@openwrap/contracts/errors";

export const JSON_HEADERS = { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" } as const;

export function faultBody(code: ErrorCode, message: string, hint: string = ERRORS[code].hint): Fault {
  return { code, message, hint };
}

export function statusOf(code: ErrorCode): number {
  return ERRORS[code]?.status ?? 500;
}

export function faultResponse(fault: Fault): Response {
  return new Response(JSON.stringify(fault), { status: statusOf(fault.code), headers: JSON_HEADERS });
}

export function refuse(code: ErrorCode, message: string, hint?: string): Response {
  return faultResponse(faultBody(code, message, hint));
}
