// A page of somebody else, on another port of this machine: tries everything that a page may send, and keeps what it could read.

const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const made = (tag, fields) => Object.assign(document.createElement(tag), fields);
const read = {};

/** What cannot be read is no text. */
async function keep(name, act) {
  try {
    read[name] = await Promise.race([act(), wait(3000).then(() => "")]);
  } catch {
    read[name] = "";
  }
}

function fetched(name, url, init) {
  return keep(name, async () => (await fetch(url, { credentials: "include", ...init })).text());
}

const TYPES = ["text/plain", "application/x-www-form-urlencoded", "application/json", "multipart/form-data"];

async function fetches(app, commands, queries) {
  for (const [path, body] of commands) {
    const url = app + path;
    const post = { method: "POST", body };
    await fetched(`no-cors ${path}`, url, { ...post, mode: "no-cors" });
    for (const type of TYPES) await fetched(`${type} ${path}`, url, { ...post, headers: { "content-type": type } });
    const headers = { "content-type": "application/json", "x-openwrap-tab": "guess" };
    await fetched(`with a tab secret ${path}`, url, { ...post, headers });
    navigator.sendBeacon(url, new Blob([body], { type: "text/plain" }));
  }
  for (const path of queries) {
    await fetched(`cors ${path}`, app + path, {});
    await fetched(`no-cors ${path}`, app + path, { mode: "no-cors" });
  }
}

function element(name, one) {
  const settled = new Promise((done) => {
    one.onload = () => done("loaded");
    one.onerror = () => done("");
  });
  document.body.append(one);
  return keep(name, () => settled);
}

async function elements(app) {
  for (const path of ["/icon.svg", "/api/overview"]) await element(`image ${path}`, made("img", { src: app + path }));
  for (const path of ["/", "/api/overview", "/api/health"]) {
    await element(`script ${path}`, made("script", { src: app + path }));
    await element(`module ${path}`, made("script", { src: app + path, type: "module" }));
    await element(`style ${path}`, made("link", { href: app + path, rel: "stylesheet" }));
  }
}

async function streams(app) {
  const opened = (source) =>
    new Promise((done) => {
      source.onmessage = (message) => done(message.data);
      source.onopen = () => done("open");
      source.onerror = () => {
        source.close();
        done("");
      };
    });
  const path = "/api/stream?after=0";
  await keep("EventSource", () => opened(new EventSource(app + path, { withCredentials: true })));
  await keep("WebSocket", () => opened(new WebSocket(app.replace("http", "ws") + path)));
}

async function frames(app) {
  for (const path of ["/", "/api/overview", "/launch?code=guess"]) {
    const frame = made("iframe", { src: app + path });
    document.body.append(frame);
    await wait(300);
    const inside = async () => frame.contentDocument?.body?.textContent ?? frame.contentWindow.location.href;
    await keep(`frame ${path}`, inside);
  }
}

async function forms(app, commands) {
  for (const [place, [path, body]] of commands.entries()) {
    const sink = made("iframe", { name: `sink-${place}` });
    // A text/plain form spells NAME=VALUE: with this name the body is JSON.
    const name = `${body.slice(0, -1)}${body === "{}" ? "" : ","}"x":"`;
    const form = made("form", { action: app + path, method: "post", enctype: "text/plain", target: sink.name });
    form.append(made("input", { name, value: '"}' }));
    document.body.append(sink, form);
    form.submit();
  }
  await wait(300);
}

/** `app`: origin of the app; `runId`, `projectId`: of a run it should not be able to touch. */
// biome-ignore lint/correctness/noUnusedVariables: called by the test
async function attack({ app, runId, projectId }) {
  const create = { requestId: "hostile", projectId, goal: "x", model: "rehearsal", approve: "all", allow: [] };
  const commands = [
    ["/api/projects/sample", "{}"],
    ["/api/runs/stop", JSON.stringify({ requestId: "hostile", runId })],
    ["/api/runs", JSON.stringify(create)],
    ["/api/launch", "{}"],
    ["/api/audit/verify", "{}"],
  ];
  const events = `/api/runs/events?runId=${runId}&after=0`;
  await fetches(app, commands, ["/api/overview", "/api/doctor", events, "/api/stream?after=0", "/"]);
  await elements(app);
  await streams(app);
  await frames(app);
  await forms(app, commands);
  read.cookie = /openwrap/.test(document.cookie) ? document.cookie : "";
  return read;
}

/** Opens the app in a window, as any link may, and tries to reach into it. */
// biome-ignore lint/correctness/noUnusedVariables: called by the test
async function openWindow(app) {
  const opened = window.open(`${app}/`);
  if (!opened) return "no window could be opened";
  await wait(1000);
  try {
    opened.postMessage({ type: "stop" }, "*");
    opened.location = `${app}/api/runs/stop`;
    return opened.document.title;
  } catch {
    return opened.length > 0 ? "frames" : "";
  }
}
