// The `python-pptx` library as an outside reader of presentations.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ReadDeck } from "./deck.ts";
import { ROOT } from "./folders.ts";

const VERSION = "1.0.2";
const FOLDER = join(ROOT, "node_modules/.cache", `python-pptx-${VERSION}`);

const READER = `
import json, sys
from pptx import Presentation

def read(shape):
    known = {"name": shape.name}
    if getattr(shape, "has_table", False) and shape.has_table:
        known["table"] = [[cell.text for cell in row.cells] for row in shape.table.rows]
    elif hasattr(shape, "image"):
        words = shape._element.xpath(".//p:cNvPr/@descr")
        image = shape.image
        known["picture"] = {"type": image.content_type, "pixels": image.size, "size": [shape.width, shape.height],
                            "altText": words[0] if words else ""}
    elif shape.has_text_frame:
        known["text"] = [[each.level, each.text] for each in shape.text_frame.paragraphs]
    return known

deck = Presentation(sys.argv[1])
slides = [{
    "layout": slide.slide_layout.name,
    "title": slide.shapes.title.text if slide.shapes.title is not None else None,
    "notes": slide.notes_slide.notes_text_frame.text if slide.has_notes_slide else None,
    "shapes": [read(shape) for shape in slide.shapes],
} for slide in deck.slides]
core = deck.core_properties
print(json.dumps({"title": core.title, "author": core.author, "language": core.language,
                  "size": [deck.slide_width, deck.slide_height], "slides": slides}))
`;

/** Whether Python is here, with what it takes to install the library. */
export function hasPython(): boolean {
  return spawnSync("python3", ["-c", "import venv, ensurepip"]).status === 0;
}

/** Installed once into a folder of its own. */
function python(): string {
  const program = join(FOLDER, "bin/python");
  if (existsSync(program)) return program;
  const fresh = `${FOLDER}-${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  execFileSync("python3", ["-m", "venv", "--copies", fresh]);
  execFileSync(join(fresh, "bin/python"), ["-m", "pip", "install", "--quiet", `python-pptx==${VERSION}`]);
  try {
    renameSync(fresh, FOLDER);
  } catch {
    // Another test was first.
    rmSync(fresh, { recursive: true, force: true });
  }
  return program;
}

export function readByPython(path: string): ReadDeck {
  return JSON.parse(execFileSync(python(), ["-c", READER, path], { encoding: "utf8" })) as ReadDeck;
}
