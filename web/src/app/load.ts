// Parts of the page that are fetched when they are first needed.

import { ApiFault } from "@openwrap/contracts/client";

const lost = new Set<HTMLLinkElement>();
let hears = false;

/** Style sheets that did not arrive: each is asked for once, by who needs it first. */
function hearLost(): void {
  if (hears) return;
  hears = true;
  document.addEventListener(
    "error",
    ({ target }) => {
      if (target instanceof HTMLLinkElement && target.rel === "stylesheet") lost.add(target);
    },
    true,
  );
}

function askAgain(): void {
  for (const link of lost) link.replaceWith(link.cloneNode());
  lost.clear();
}

/** A module by `import()`. What does not arrive is an `ApiFault` that says so; the next call tries again. */
export async function load<T>(importing: () => Promise<T>): Promise<T> {
  hearLost();
  askAgain();
  try {
    return await importing();
  } catch {
    throw new ApiFault(
      {
        code: "INTERNAL",
        message: "A part of the page could not be loaded.",
        hint: "Check that Open Wrap still runs and try again; when it was updated meanwhile, reload this page.",
      },
      0,
    );
  }
}
