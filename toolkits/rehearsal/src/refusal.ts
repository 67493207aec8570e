// Error bodies as the providers write them: `{"error":{message,type,param,code}}` on the wire of chat completions,
// `{"type":"error","error":{type,message},"request_id"}` on that of messages.

export type RefusalStatus = 400 | 401 | 402 | 403 | 404 | 405 | 413 | 415 | 429 | 500 | 503 | 529;

const MESSAGES_KINDS: Record<RefusalStatus, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  405: "invalid_request_error",
  413: "request_too_large",
  415: "invalid_request_error",
  429: "rate_limit_error",
  500: "api_error",
  503: "api_error",
  529: "overloaded_error",
};

/** A request the provider does not take. */
export class Refusal extends Error {
  readonly status: RefusalStatus;
  readonly param: string | null;
  readonly code: string | null;
  readonly kind: string;

  constructor(status: RefusalStatus, message: string, about: { param?: string; code?: string; kind?: string } = {}) {
    super(message);
    this.status = status;
    this.param = about.param ?? null;
    this.code = about.code ?? null;
    this.kind = about.kind ?? (status >= 500 ? "server_error" : "invalid_request_error");
  }

  body(): { error: { message: string; type: string; param: string | null; code: string | null } } {
    return { error: { message: this.message, type: this.kind, param: this.param, code: this.code } };
  }

  /** As the wire of messages writes it. */
  messagesBody(requestId: string): { type: "error"; error: { type: string; message: string }; request_id: string } {
    const error = { type: MESSAGES_KINDS[this.status], message: this.message };
    return { type: "error", error, request_id: requestId };
  }
}

/** 400 about one place of the request. */
export function wrong(param: string, message: string, code?: string): Refusal {
  return new Refusal(400, message, code === undefined ? { param } : { param, code });
}
