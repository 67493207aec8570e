// A page of somebody else, on another port of this machine: tries everything that a page may send, and keeps what it could read.
// `app`: origin of the app; `runId`, `projectId`: of a run it should not be able to touch.

// biome-ignore lint/correctness/noUnusedVariables: called by the test
async function attack({ app, runId, projectId }) {
  const read = {};
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const keep = async (name, act) => {
    try {
      read[name] = await Promise.race([act(), wait(3000).then(() => "")]);
    } catch {
      read[name] = "";
    }
  };
  const stop = JSON.stringify({ requestId: "hostile", runId });
  const create = JSON.stringify({
    requestId: "hostile",
    projectId,
    goal: "x",
    model: "rehearsal",
    approve: "all",
    allow: [],
  });
  const commands = [
    ["/api/projects/sample", "{}"],
    ["/api/runs/stop", stop],
    ["/api/runs", create],
    ["/api/launch", "{}"],
    ["/api/audit/verify", "{}"],
  ];
  const queries = [
    "/api/overview",
    "/api/doctor",
    `/api/runs/events?runId=${runId}&after=0`,
    "/api/stream?after=0",
    "/",
  ];
  for (const [path, body] of commands) {
    const post = { method: "POST", credentials: "include", body };
    await keep(`no-cors ${path}`, async () => (await fetch(app + path, { ...post, mode: "no-cors" })).text());
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json", "multipart/form-data"])
      await keep(`${type} ${path}`, async () =>
        (await fetch(app + path, { ...post, headers: { "content-type": type } })).text(),
      );
    await keep(`with a tab secret ${path}`, async () =>
      (
        await fetch(app + path, { ...post, headers: { "content-type": "application/json", "x-openwrap-tab": "guess" } })
      ).text(),
    );
    await keep(`beacon ${path}`, async () => {
      navigator.sendBeacon(app + path, new Blob([body], { type: "text/plain" }));
      return "";
    });
  }
  for (const path of queries) {
    await keep(`cors ${path}`, async () => (await fetch(app + path, { credentials: "include" })).text());
    await keep(`no-cors ${path}`, async () =>
      (await fetch(app + path, { credentials: "include", mode: "no-cors" })).text(),
    );
  }
  const element = (name, make) =>
    keep(
      name,
      () =>
        new Promise((done) => {
          const made = make();
          made.onload = () => done("loaded");
          made.onerror = () => done("");
          document.body.append(made);
        }),
    );
  const with_ = (tag, fields) => Object.assign(document.createElement(tag), fields);
  for (const path of ["/icon.svg", "/api/overview"])
    await element(`image ${path}`, () => with_("img", { src: app + path }));
  for (const path of ["/", "/api/overview", "/api/health"]) {
    await element(`script ${path}`, () => with_("script", { src: app + path }));
    await element(`module ${path}`, () => with_("script", { src: app + path, type: "module" }));
    await element(`style ${path}`, () => with_("link", { href: app + path, rel: "stylesheet" }));
  }
  await keep(
    "EventSource",
    () =>
      new Promise((done) => {
        const source = new EventSource(`${app}/api/stream?after=0`, { withCredentials: true });
        source.onmessage = (message) => done(message.data);
        source.onopen = () => done("open");
        source.onerror = () => {
          source.close();
          done("");
        };
      }),
  );
  await keep(
    "WebSocket",
    () =>
      new Promise((done) => {
        const socket = new WebSocket(`${app.replace("http", "ws")}/api/stream?after=0`);
        socket.onopen = () => done("open");
        socket.onerror = () => done("");
      }),
  );
  for (const path of ["/", "/api/overview", "/launch?code=guess"]) {
    const frame = with_("iframe", { src: app + path, name: `frame${path}` });
    document.body.append(frame);
    await wait(300);
    await keep(
      `frame ${path}`,
      async () => frame.contentDocument?.body?.textContent ?? frame.contentWindow.location.href,
    );
  }
  for (const [place, [path, body]] of commands.entries()) {
    const sink = with_("iframe", { name: `sink-${place}` });
    // A text/plain form spells NAME=VALUE: with this name the body is JSON.
    const field = with_("input", { name: `${body.slice(0, -1)}${body === "{}" ? "" : ","}"x":"`, value: '"}' });
    const form = with_("form", { action: app + path, method: "post", enctype: "text/plain", target: sink.name });
    form.append(field);
    document.body.append(sink, form);
    form.submit();
  }
  await wait(300);
  read.cookie = /openwrap/.test(document.cookie) ? document.cookie : "";
  return read;
}

/** Opens the app in a window, as any link may, and tries to reach into it. */
// biome-ignore lint/correctness/noUnusedVariables: called by the test
async function openWindow(app) {
  const opened = window.open(`${app}/`);
  if (!opened) return "no window could be opened";
  await new Promise((done) => setTimeout(done, 1000));
  try {
    opened.postMessage({ type: "stop" }, "*");
    opened.location = `${app}/api/runs/stop`;
    return opened.document.title;
  } catch {
    return opened.length > 0 ? "frames" : "";
  }
}
