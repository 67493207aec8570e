// How the page looks in this browser, before anything is painted; and again whenever a choice or the system's own changes.
(() => {
  const root = document.documentElement.dataset;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const contrast = matchMedia("(prefers-contrast: more)");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const kept = (name, values) => {
    try {
      const value = localStorage.getItem(`openwrap.${name}`);
      return values.includes(value) ? value : values[0];
    } catch {
      return values[0];
    }
  };
  const show = () => {
    const theme = kept("theme", ["system", "paper", "ink"]);
    const wanted = kept("contrast", ["system", "normal", "more"]);
    const motion = kept("motion", ["system", "full", "reduce"]);
    root.look = theme === "system" ? (dark.matches ? "ink" : "paper") : theme;
    root.contrast = wanted === "system" ? (contrast.matches ? "more" : "normal") : wanted;
    root.motion = motion === "system" ? (still.matches ? "reduce" : "full") : motion;
    root.density = kept("density", ["normal", "compact", "roomy"]);
    root.text = kept("text", ["normal", "small", "large", "larger"]);
  };
  show();
  for (const media of [dark, contrast, still]) media.addEventListener("change", show);
  addEventListener("openwrap-appearance", show);
  addEventListener("storage", show);
})();
