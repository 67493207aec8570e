// Pages without script, for what cannot be shown in the app itself.

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** `body` is markup of ours; `styles` the path of a style sheet. */
export function htmlPage(status: number, title: string, body: string, styles?: string): Response {
  const html =
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">' +
    `<meta name="color-scheme" content="light dark"><title>${escapeHtml(title)}</title>${styles ? `<link rel="stylesheet" href="${styles}">` : ""}</head><body><main>${body}</main></body></html>`;
  return new Response(html, {
    status,
    headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" },
  });
}

export function plainPage(status: number, sentence: string): Response {
  return htmlPage(status, "Open Wrap", `<h1>Open Wrap</h1><p>${escapeHtml(sentence)}</p>`);
}
