// Error bodies as the provider writes them: `{"error":{message,type,param,code}}`.

export type RefusalStatus = 400 | 401 | 404 | 405 | 413 | 415 | 429 | 500 | 503;

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
}

/** 400 about one place of the request. */
export function wrong(param: string, message: string, code?: string): Refusal {
  return new Refusal(400, message, code === undefined ? { param } : { param, code });
}
