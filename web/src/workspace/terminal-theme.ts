// Colours of the terminal from those of the page.

import type { ITheme } from "@xterm/xterm";

const PAPER = {
  black: "#1d2730",
  red: "#a3212c",
  green: "#12664a",
  yellow: "#7a5600",
  blue: "#1c5a9c",
  magenta: "#7d3c8c",
  cyan: "#0d6472",
  white: "#5b6770",
};
const INK = {
  black: "#4a5661",
  red: "#f08a80",
  green: "#7cc9ad",
  yellow: "#e3bd63",
  blue: "#7fb8ea",
  magenta: "#cf9be0",
  cyan: "#7cc6d6",
  white: "#dfe5e8",
};

function bright(colors: typeof PAPER): ITheme {
  const { black, red, green, yellow, blue, magenta, cyan, white } = colors;
  return {
    ...colors,
    brightBlack: black,
    brightRed: red,
    brightGreen: green,
    brightYellow: yellow,
    brightBlue: blue,
    brightMagenta: magenta,
    brightCyan: cyan,
    brightWhite: white,
  };
}

/** `element` stands on the ground the terminal is drawn on. */
export function terminalTheme(element: HTMLElement): ITheme {
  const style = getComputedStyle(element);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const dark = style.colorScheme.includes("dark");
  return {
    ...bright(dark ? INK : PAPER),
    background: color("--sunk"),
    foreground: color("--ink"),
    cursor: color("--ink"),
    cursorAccent: color("--sunk"),
    selectionBackground: dark ? "#ffffff40" : "#00000030",
    scrollbarSliderBackground: dark ? "#ffffff30" : "#00000030",
    scrollbarSliderHoverBackground: dark ? "#ffffff55" : "#00000055",
    scrollbarSliderActiveBackground: dark ? "#ffffff70" : "#00000070",
  };
}
