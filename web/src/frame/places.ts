// Where everything is: the places of the rail, and the screens of each.

import type { Place } from "../app/router.ts";
import type { IconName } from "../parts/icon.tsx";

export interface Door {
  path: string;
  words: string;
  screens: readonly Place["screen"][];
}

export interface RailPlace {
  path: string;
  icon: IconName;
  words: string;
  /** Several: they stand beside each other above the screen. */
  doors: readonly Door[];
}

export const RAIL: readonly RailPlace[] = [
  { path: "/", icon: "now", words: "Now", doors: [{ path: "/", words: "Now", screens: ["now"] }] },
  {
    path: "/work",
    icon: "work",
    words: "Work",
    doors: [
      {
        path: "/work",
        words: "Work",
        screens: ["work", "run", "approvals", "workforce", "workspace", "files", "review"],
      },
    ],
  },
  {
    path: "/library",
    icon: "library",
    words: "Library",
    doors: [
      { path: "/library", words: "Delivered", screens: ["library"] },
      { path: "/files", words: "Project files", screens: ["projects"] },
    ],
  },
  {
    path: "/playbooks",
    icon: "playbook",
    words: "Automations",
    doors: [{ path: "/playbooks", words: "Playbooks", screens: ["playbooks"] }],
  },
  {
    path: "/settings",
    icon: "settings",
    words: "Settings",
    doors: [
      { path: "/settings", words: "Appearance", screens: ["settings"] },
      { path: "/models", words: "Models", screens: ["models"] },
      { path: "/tools", words: "Tools", screens: ["tools"] },
      { path: "/devices", words: "Devices", screens: ["devices"] },
      { path: "/audit", words: "Audit", screens: ["audit"] },
    ],
  },
];

/** The place of the rail a screen belongs to. */
export function railPlaceOf(screen: Place["screen"]): RailPlace | undefined {
  return RAIL.find((place) => place.doors.some((door) => door.screens.includes(screen)));
}
