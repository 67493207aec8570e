// `npm run bench [NAME…]`: a line of JSON for each figure. Measures the built product; run `npm run build` first.

/** One figure. `floor` is what a bare program needs for the same, `peer` what a comparable one does. */
export interface Figure {
  name: string;
  value: number;
  unit: string;
  floor?: number;
  peer?: number;
}

export interface Bench {
  /** Figures it gives. */
  names: string[];
  /** Measures those that are asked for, and others where they come with them. */
  run(wanted: string[]): Promise<Figure[]>;
}

/** Every bench, by file in `tests/bench`, with the figures it gives. */
const BENCHES: { file: string; names: string[] }[] = [
  { file: "startup", names: ["cpu_to_ready_ms", "rss_ready_mb"] },
  {
    file: "core",
    names: [
      "scheduler_1600_ms",
      "scheduler_100000_ms",
      "tool_call_p95_ms",
      "sandboxed_spawn_over_plain",
      "fdatasync_per_event",
    ],
  },
  { file: "workforce", names: ["agent_step_cpu_ms", "workforce_64x5_over_floor"] },
  {
    file: "mcp",
    names: ["mcp_call_cpu_over_sdk", "mcp_call_in_turn_cpu_over_sdk", "mcp_client_cpu_over_sdk", "mcp_call_p95_ms"],
  },
  { file: "event-to-dom", names: ["event_to_dom_p95_ms"] },
  { file: "browser", names: ["browser_first_page_ms", "screencast_fps", "browser_frame_age_p95_ms"] },
  {
    file: "script",
    names: [
      "script_start_ms",
      "script_calls_1000_over_ms",
      "script_calls_1000_at_once_ms",
      "script_stop_late_cpu_ms",
      "script_stop_late_ms",
    ],
  },
  { file: "terminal", names: ["terminal_key_over_floor", "terminal_key_cpu_ms"] },
];

/** Significant digits that are printed; more would be noise. */
const DIGITS = 4;

async function measure(file: string, wanted: string[]): Promise<boolean> {
  try {
    const bench = (await import(`../../tests/bench/${file}.ts`)) as Bench;
    for (const { value, floor, peer, ...figure } of await bench.run(wanted)) {
      if (!wanted.includes(figure.name)) continue;
      const rounded = (number: number): number => Number(number.toPrecision(DIGITS));
      const line = {
        name: figure.name,
        value: rounded(value),
        unit: figure.unit,
        ...(floor === undefined ? {} : { floor: rounded(floor) }),
        ...(peer === undefined ? {} : { peer: rounded(peer) }),
      };
      console.log(JSON.stringify(line));
    }
    return true;
  } catch (error) {
    console.error(`bench ${file}: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

async function main(names: string[]): Promise<boolean> {
  const known = BENCHES.flatMap((bench) => bench.names);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    console.error(`bench: no figure is named ${unknown.join(", ")}; there are ${known.join(", ")}`);
    return false;
  }
  const wanted = (name: string): boolean => names.length === 0 || names.includes(name);
  let fine = true;
  // One after the other: two at once would measure each other.
  for (const bench of BENCHES.filter((candidate) => candidate.names.some(wanted)))
    fine = (await measure(bench.file, bench.names.filter(wanted))) && fine;
  return fine;
}

if (import.meta.filename === process.argv[1] && !(await main(process.argv.slice(2)))) process.exitCode = 1;
