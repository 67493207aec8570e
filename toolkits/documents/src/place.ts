// Paths of the working folder: what may be read and written, and how.

import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { lstat, mkdir, open, realpath, rename, rm } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { LIMITS } from "./limits.ts";
import { DocumentProblem } from "./problem.ts";

export const DOCX_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/** Names with it are never part of a project, so one that a crash leaves is no change. */
const PARTIAL_PREFIX = ".openwrap-tmp-";

/** The folder all paths are beneath: the one the server was started in. */
export class WorkingFolder {
  private readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async open(path: string): Promise<WorkingFolder> {
    return new WorkingFolder(await realpath(path));
  }

  /** The place of a file to write, its folders made; links that lead out are refused. `at` is the place in the arguments. */
  private async target(path: string, at: string): Promise<string> {
    const parts = partsOf(path, at);
    let folder = this.root;
    for (const part of parts.slice(0, -1)) {
      folder = join(folder, part);
      await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw failure(error, at, path);
      });
      folder = await this.inside(folder, at, path);
    }
    const target = join(folder, parts.at(-1) ?? "");
    const known = await lstat(target).catch(() => undefined);
    if (known?.isDirectory()) throw new DocumentProblem("INVALID_ARGUMENTS", at, `${path} is a folder`);
    return target;
  }

  /** Writes beside the target, then renames: nobody sees half a file. */
  async write(path: string, bytes: Uint8Array, at: string): Promise<{ path: string; size: number; checksum: string }> {
    const target = await this.target(path, at);
    const partial = join(dirname(target), `${PARTIAL_PREFIX}documents`);
    try {
      await rm(partial, { force: true });
      // Exclusive: a link that somebody laid there is not followed.
      const file = await open(partial, "wx", 0o644);
      try {
        await file.writeFile(bytes);
      } finally {
        await file.close();
      }
      await rename(partial, target);
    } catch (error) {
      await rm(partial, { force: true }).catch(() => undefined);
      throw failure(error, at, path);
    }
    const checksum = createHash("sha256").update(bytes).digest("hex");
    return { path: partsOf(path, at).join("/"), size: bytes.byteLength, checksum };
  }

  /** The bytes of a regular file, at most `bytesMax`. */
  async read(path: string, at: string, bytesMax: number = LIMITS.pictureBytesMax): Promise<Uint8Array> {
    const full = await this.inside(join(this.root, ...partsOf(path, at)), at, path);
    // Without blocking: a named pipe is refused below, not waited for.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(full, flags).catch((error: unknown) => {
      throw failure(error, at, path);
    });
    try {
      const status = await file.stat();
      if (!status.isFile()) throw new DocumentProblem("INVALID_ARGUMENTS", at, `${path} is not a file`);
      if (status.size > bytesMax)
        throw new DocumentProblem("LIMIT_EXCEEDED", at, `${path} has ${status.size} bytes, ${bytesMax} are the most`);
      const bytes = new Uint8Array(status.size);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
      return bytes.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  /** Follows links and refuses what lies outside. */
  private async inside(full: string, at: string, path: string): Promise<string> {
    const real = await realpath(full).catch((error: unknown) => {
      throw failure(error, at, path);
    });
    const way = relative(this.root, real);
    if (way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way))
      throw new DocumentProblem("PATH_OUTSIDE", at, `${path} leads out of the project`);
    return real;
  }
}

/** The parts of a relative path; `..`, absolute paths and odd characters are refused. */
function partsOf(path: string, at: string): string[] {
  const refuse = (why: string): DocumentProblem => new DocumentProblem("PATH_OUTSIDE", at, `${path} ${why}`);
  if (/[\p{Cc}\p{Surrogate}]/u.test(path))
    throw new DocumentProblem("INVALID_ARGUMENTS", at, "holds a control character");
  if (path.includes("\\")) throw new DocumentProblem("INVALID_ARGUMENTS", at, `${path} has a backslash; use /`);
  if (isAbsolute(path)) throw refuse("is absolute; give a path inside the project");
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refuse("leads out of the project with ..");
  if (parts.some((part) => part.startsWith(PARTIAL_PREFIX)))
    throw new DocumentProblem("INVALID_ARGUMENTS", at, `${path}: names with ${PARTIAL_PREFIX} are reserved`);
  if (parts.length === 0) throw new DocumentProblem("INVALID_ARGUMENTS", at, `${path} names no file`);
  return parts;
}

function failure(error: unknown, at: string, path: string): DocumentProblem {
  if (error instanceof DocumentProblem) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (code === "ENOENT") return new DocumentProblem("NOT_FOUND", at, `${path} does not exist`);
  if (code === "ELOOP") return new DocumentProblem("PATH_OUTSIDE", at, `${path} is a link`);
  if (code === "EACCES" || code === "EPERM") return new DocumentProblem("PATH_OUTSIDE", at, `${path} is not permitted`);
  return new DocumentProblem("EXECUTION_FAILED", at, `${path} cannot be used (${code || "unknown"})`);
}
