// A certificate that signs itself (RFC 5280), for tests of what a server does with certificates.

import { generateKeyPairSync, sign } from "node:crypto";

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const size = body.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const hex = (text: string): Buffer => Buffer.from(text, "hex");
const ECDSA_SHA256 = der(0x30, hex("06082a8648ce3d040302"));
const time = (at: Date): Buffer => {
  const text = at.toISOString().replace(/[-:T]|\.\d+/g, "");
  return der(0x17, Buffer.from(text.slice(2)));
};
const pem = (kind: string, bytes: Buffer): string =>
  `-----BEGIN ${kind}-----\n${(bytes.toString("base64").match(/.{1,64}/g) ?? []).join("\n")}\n-----END ${kind}-----\n`;

/** For an IPv4 address, for one day; `name` tells one from another. */
export function selfSigned(address: string, name: string): { chain: string; key: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const common = der(0x30, der(0x31, der(0x30, hex("0603550403"), der(0x0c, Buffer.from(name)))));
  const now = Date.now();
  const dates = der(0x30, time(new Date(now - 3_600_000)), time(new Date(now + 24 * 3_600_000)));
  const names = der(0x30, der(0x87, Buffer.from(address.split(".").map(Number))));
  const extensions = der(0xa3, der(0x30, der(0x30, hex("0603551d11"), der(0x04, names))));
  const body = der(
    0x30,
    der(0xa0, hex("020102")),
    der(0x02, Buffer.from([1])),
    ECDSA_SHA256,
    common,
    dates,
    common,
    publicKey.export({ type: "spki", format: "der" }),
    extensions,
  );
  const signature = der(0x03, Buffer.from([0]), sign("sha256", body, privateKey));
  return {
    chain: pem("CERTIFICATE", der(0x30, body, ECDSA_SHA256, signature)),
    key: String(privateKey.export({ type: "pkcs8", format: "pem" })),
  };
}
