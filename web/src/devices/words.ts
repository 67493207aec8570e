// What roles and devices are called.

import type { DeviceEntry, DeviceRole } from "@openwrap/contracts";

export const ROLES: readonly (readonly [DeviceRole, string])[] = [
  ["watch", "Watch"],
  ["approve", "Approve"],
  ["drive", "Drive"],
];

export const MAY: Record<DeviceRole, string> = {
  watch: "sees everything and changes nothing",
  approve: "sees everything, answers questions and stops runs",
  drive: "does everything: starts runs, takes terminals and browsers, lets devices in",
};

export function nameOf(device: Pick<DeviceEntry, "name">): string {
  return device.name === "" ? "A browser on this machine" : device.name;
}

/** "now", "5 minutes ago", "3 hours ago", "12 days ago". */
export function since(at: number, now: number): string {
  const minutes = Math.floor(Math.max(0, now - at) / 60_000);
  if (minutes < 2) return "now";
  if (minutes < 120) return `${minutes} minutes ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} hours ago` : `${Math.floor(hours / 24)} days ago`;
}

/** "Chrome on Android", as a name to begin with. */
export function browserName(agent: string): string {
  const browser = /Edg\//.test(agent)
    ? "Edge"
    : /Firefox\//.test(agent)
      ? "Firefox"
      : /Chrom(e|ium)\//.test(agent)
        ? "Chrome"
        : /Safari\//.test(agent)
          ? "Safari"
          : "Browser";
  const systems: readonly (readonly [RegExp, string])[] = [
    [/iPad/, "iPad"],
    [/iPhone/, "iPhone"],
    [/Android/, "Android"],
    [/Mac OS X/, "Mac"],
    [/Windows/, "Windows"],
    [/Linux/, "Linux"],
  ];
  const system = systems.find(([pattern]) => pattern.test(agent))?.[1];
  return system === undefined ? browser : `${browser} on ${system}`;
}
