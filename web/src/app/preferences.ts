// What a person set for this browser.

import { type Accessor, createSignal } from "solid-js";

export type Theme = "system" | "paper" | "ink";
export type Density = "compact" | "normal" | "roomy";

export interface Preferences {
  theme: Accessor<Theme>;
  setTheme: (theme: Theme) => void;
  density: Accessor<Density>;
  setDensity: (density: Density) => void;
  /** Whether single letters are shortcuts. */
  letters: Accessor<boolean>;
  setLetters: (on: boolean) => void;
}

function kept<T extends string>(name: string, values: readonly T[], initial: T): [Accessor<T>, (value: T) => void] {
  const key = `openwrap.${name}`;
  const found = localStorage.getItem(key);
  const [value, setValue] = createSignal<T>(values.find((one) => one === found) ?? initial);
  const show = (next: T): void => {
    document.documentElement.dataset[name] = next;
  };
  show(value());
  const change = (next: T): void => {
    localStorage.setItem(key, next);
    setValue(() => next);
    show(next);
  };
  return [value, change];
}

export function createPreferences(): Preferences {
  const [theme, setTheme] = kept<Theme>("theme", ["system", "paper", "ink"], "system");
  const [density, setDensity] = kept<Density>("density", ["compact", "normal", "roomy"], "normal");
  const [letters, setLetters] = kept("letters", ["on", "off"], "on");
  return {
    theme,
    setTheme,
    density,
    setDensity,
    letters: () => letters() === "on",
    setLetters: (on) => setLetters(on ? "on" : "off"),
  };
}
