// Under which names and addresses other devices reach this machine.

import { isIPv4, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import type { BeyondSettings } from "./settings.ts";

/** Where to listen, and under which names. */
export interface Reach {
  addresses: string[];
  /** For the certificate. */
  names: string[];
  /** Exact `Host` values. */
  hosts: ReadonlySet<string>;
  origins: string[];
}

const ANY = ["0.0.0.0", "::"];
/** Addresses of one machine that are listened on. */
const ADDRESSES_MAX = 16;

/** Of this machine, without those that only it or only one wire knows. */
function ownAddresses(withIpv6: boolean): string[] {
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const wanted = all.filter(
    ({ address, internal, family }) =>
      !internal && (family === "IPv4" ? !address.startsWith("169.254.") : withIpv6 && !/^fe[89ab]/i.test(address)),
  );
  return [...new Set(wanted.map(({ address }) => address))].sort().slice(0, ADDRESSES_MAX);
}

const asHost = (address: string): string => (isIPv6(address) ? `[${address}]` : address);

/** `port`: what is listened on. With none of `hosts` the addresses are the names. */
export function reachOf(beyond: BeyondSettings, port: number): Reach {
  const any = ANY.includes(beyond.address);
  const addresses = any ? ownAddresses(beyond.address === "::") : [beyond.address];
  // Behind names, addresses of this machine may be of no use outside (a container), and change; those of IPv6 change by themselves.
  const lasting = any && addresses.some(isIPv4) ? addresses.filter(isIPv4) : addresses;
  const own = any && beyond.hosts.length > 0 ? [] : lasting.map(asHost);
  const named = [...new Set([...beyond.hosts, ...(beyond.proxies.length > 0 ? [] : own)])];
  const hosts = new Set<string>();
  const origins: string[] = [];
  for (const host of named) {
    const withPort = /:\d+$/.test(host) && !/^\[[^\]]*\]$/.test(host);
    const shown = withPort || beyond.proxies.length > 0 || port === 443 ? host : `${host}:${port}`;
    origins.push(`https://${shown}`);
    hosts.add(shown);
    // A name may be published at the port that browsers leave out.
    if (!withPort && beyond.hosts.includes(host)) hosts.add(host).add(`${host}:${port}`);
  }
  const names = named.map((host) => host.replace(/^(\[[^\]]*\]|[^:]+):\d+$/, "$1").replace(/^\[(.*)\]$/, "$1"));
  return { addresses, names: [...new Set(names)], hosts, origins };
}
