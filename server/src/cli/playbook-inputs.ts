// What `--input` gives a playbook: a JSON file with all of it, `NAME=VALUE`, or a file for what it asks a file for.

import { constants, copyFileSync, existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, extname, join, relative, resolve, sep } from "node:path";
import type { Playbook, PlaybookInput } from "@openwrap/contracts";
import { CoreFault } from "../core.ts";
import { UsageError } from "./command.ts";

type Inputs = Record<string, unknown>;

/** Inputs by name. A file that lies outside the project is copied into it, never over one that is there. */
export function readInputs(playbook: Playbook, given: string[], project: string): Inputs {
  const inputs: Inputs = {};
  for (const text of given) {
    const named = /^([A-Za-z][A-Za-z0-9_]{0,63})=(.*)$/s.exec(text);
    const asked = named ? playbook.inputs.find((input) => input.name === named[1]) : undefined;
    if (asked) inputs[asked.name] = readValue(asked, named?.[2] ?? "", project);
    else if (extname(text).toLowerCase() === ".json") Object.assign(inputs, readAll(playbook, text, project));
    else {
      const file = playbook.inputs.find((input) => input.kind === "file" && !(input.name in inputs));
      if (!file)
        throw new UsageError(
          `--input ${text}: ${playbook.name} asks for no file; it asks for ${namesOf(playbook) || "nothing"}`,
        );
      inputs[file.name] = inProject(text, project);
    }
  }
  return inputs;
}

const namesOf = (playbook: Playbook): string => playbook.inputs.map((input) => input.name).join(", ");

function readAll(playbook: Playbook, path: string, project: string): Inputs {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UsageError(`--input ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new UsageError(`--input ${path}: one object with a field for each input is needed`);
  const inputs: Inputs = {};
  for (const [name, one] of Object.entries(value)) {
    const isFile = playbook.inputs.find((input) => input.name === name)?.kind === "file";
    inputs[name] = isFile && typeof one === "string" ? inProject(one, project) : one;
  }
  return inputs;
}

function readValue(input: PlaybookInput, text: string, project: string): unknown {
  switch (input.kind) {
    case "file":
      return inProject(text, project);
    case "number": {
      const number = Number(text);
      if (text.trim() === "" || !Number.isFinite(number))
        throw new UsageError(`--input ${input.name}: a number is needed`);
      return number;
    }
    case "yes_no":
      if (text !== "true" && text !== "false") throw new UsageError(`--input ${input.name}: true or false is needed`);
      return text === "true";
    default:
      return text;
  }
}

/** Path of a file from the project's folder. */
function inProject(path: string, project: string): string {
  const inside = join(project, path);
  const full =
    existsSync(inside) && !resolve(path).startsWith(project + sep) && !existsSync(path) ? inside : resolve(path);
  if (!existsSync(full) || !statSync(full).isFile())
    throw new CoreFault({
      code: "NOT_FOUND",
      message: `there is no file ${full}`,
      hint: "Give a file that is there with --input.",
    });
  const real = realpathSync(full);
  if (real.startsWith(project + sep)) return relative(project, real);
  const name = basename(full);
  const target = join(project, name);
  if (existsSync(target)) {
    if (readFileSync(target).equals(readFileSync(full))) return name;
    throw new CoreFault({
      code: "ALREADY_EXISTS",
      message: `${target} is there already, with other content`,
      hint: "Rename one of the two, or give the one in the project.",
    });
  }
  copyFileSync(full, target, constants.COPYFILE_EXCL);
  return name;
}
