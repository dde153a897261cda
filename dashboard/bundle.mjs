// One script and one style sheet, small: what is served has no source maps and asks for nothing else.
import { build } from "esbuild";

await build({
  entryPoints: ["src/main.tsx"],
  outdir: "build",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "linked",
  logLevel: "warning",
});
