import { METHODS } from "@openwrap/contracts/methods";
import { type DefinitionName, problemOf } from "@openwrap/contracts/validators";
import { describe, expect, it } from "vitest";
import fixtures from "./generated/fixtures.gen.json" with { type: "json" };

const sets = fixtures.fixtures as Record<string, { accepted: unknown[]; refused: { why: string; value: unknown }[] }>;

describe("validators", () => {
  it("cover the parameters of every method", () => {
    expect(Object.keys(sets).sort()).toEqual([...new Set(METHODS.map((row) => row.params))].sort());
  });

  for (const [name, set] of Object.entries(sets)) {
    it(`accept valid ${name}`, () => {
      for (const value of set.accepted) expect(problemOf(name as DefinitionName, value)).toBeUndefined();
    });

    it.each(set.refused)(`refuse ${name}: $why`, ({ value }) => {
      expect(problemOf(name as DefinitionName, value)).toBeTypeOf("string");
    });
  }
});
