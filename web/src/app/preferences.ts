// What a person set for this browser. What of it is about looks is applied by `public/appearance.js`, which runs before the first paint.

import { type Accessor, createSignal } from "solid-js";

export type Theme = "system" | "paper" | "ink";
export type Contrast = "system" | "normal" | "more";
export type Density = "compact" | "normal" | "roomy";
export type TextSize = "small" | "normal" | "large" | "larger";
export type Motion = "system" | "full" | "reduce";

export interface Preferences {
  theme: Accessor<Theme>;
  setTheme: (theme: Theme) => void;
  contrast: Accessor<Contrast>;
  setContrast: (contrast: Contrast) => void;
  density: Accessor<Density>;
  setDensity: (density: Density) => void;
  text: Accessor<TextSize>;
  setText: (text: TextSize) => void;
  motion: Accessor<Motion>;
  setMotion: (motion: Motion) => void;
  /** Whether single letters are shortcuts. */
  letters: Accessor<boolean>;
  setLetters: (on: boolean) => void;
}

function kept<T extends string>(name: string, values: readonly T[], initial: T): [Accessor<T>, (value: T) => void] {
  const key = `openwrap.${name}`;
  const found = localStorage.getItem(key);
  const [value, setValue] = createSignal<T>(values.find((one) => one === found) ?? initial);
  const change = (next: T): void => {
    localStorage.setItem(key, next);
    // First the colours, then whoever reads them.
    dispatchEvent(new Event("openwrap-appearance"));
    setValue(() => next);
  };
  return [value, change];
}

export function createPreferences(): Preferences {
  const [theme, setTheme] = kept<Theme>("theme", ["system", "paper", "ink"], "system");
  const [contrast, setContrast] = kept<Contrast>("contrast", ["system", "normal", "more"], "system");
  const [density, setDensity] = kept<Density>("density", ["compact", "normal", "roomy"], "normal");
  const [text, setText] = kept<TextSize>("text", ["small", "normal", "large", "larger"], "normal");
  const [motion, setMotion] = kept<Motion>("motion", ["system", "full", "reduce"], "system");
  const [letters, setLetters] = kept("letters", ["on", "off"], "on");
  return {
    theme,
    setTheme,
    contrast,
    setContrast,
    density,
    setDensity,
    text,
    setText,
    motion,
    setMotion,
    letters: () => letters() === "on",
    setLetters: (on) => setLetters(on ? "on" : "off"),
  };
}
