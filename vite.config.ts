import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import solid from "vite-plugin-solid";

/** Bytes, brotli. What a browser must have before the composer is usable, and the styles. */
const BUDGET = { firstScript: 60_000, lazyScript: 150_000, styles: 20_000 };

const COMPRESSED = /\.(js|css|svg|json|html)$/;

/** Ships a brotli twin of each text asset and stops the build when the first load grows over its budget. */
function firstLoadBudget(): Plugin {
  return {
    name: "openwrap-first-load-budget",
    apply: "build",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        const size = new Map<string, number>();
        for (const [name, output] of Object.entries(bundle)) {
          if (!COMPRESSED.test(name)) continue;
          const text = output.type === "chunk" ? output.code : output.source;
          const compressed = brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
          size.set(name, compressed.length);
          if (compressed.length < Buffer.byteLength(text)) {
            this.emitFile({ type: "asset", fileName: `${name}.br`, source: compressed });
          }
        }
        const first = new Set<string>();
        const visit = (name: string): void => {
          const chunk = bundle[name];
          if (chunk?.type !== "chunk" || first.has(name)) return;
          first.add(name);
          for (const next of chunk.imports) visit(next);
        };
        for (const output of Object.values(bundle)) {
          // The page of who is not paired has an entry of its own.
          if (output.type === "chunk" && output.isEntry && output.name === "index") visit(output.fileName);
        }
        const total = (names: Iterable<string>) => [...names].reduce((sum, name) => sum + (size.get(name) ?? 0), 0);
        const styles = total([...size.keys()].filter((name) => name.endsWith(".css")));
        const check = (what: string, bytes: number, limit: number) => {
          if (bytes > limit) this.error(`${what}: ${bytes} bytes brotli, the budget is ${limit}`);
        };
        check("first script load", total(first), BUDGET.firstScript);
        check("styles", styles, BUDGET.styles);
        for (const [name, bytes] of size) {
          if (name.endsWith(".js") && !first.has(name)) check(name, bytes, BUDGET.lazyScript);
        }
        this.info(`first script load ${total(first)} bytes brotli, styles ${styles}`);
      },
    },
  };
}

export default defineConfig({
  root: fileURLToPath(new URL("web", import.meta.url)),
  plugins: [solid(), firstLoadBudget()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    manifest: true,
    target: "es2022",
    // An inlined asset would need `data:` in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: Object.fromEntries(
        ["index", "pair"].map((name) => [name, fileURLToPath(new URL(`web/${name}.html`, import.meta.url))]),
      ),
    },
    reportCompressedSize: false,
  },
});
