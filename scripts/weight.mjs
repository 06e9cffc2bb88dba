// Adds up what a browser fetches before the page is live (WebAssembly, script, styles; brotli) and fails above the limit.
// Usage: node weight.mjs FOLDER
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Most bytes of a first load: the target of docs/performance.md, row 15. */
const LIMIT = 450 * 1024;

const folder = process.argv[2];
const files = readdirSync(folder).filter((name) => /\.(wasm|js|css)\.br$/.test(name) && name !== "sw.js.br");
const sizes = files.map((name) => statSync(join(folder, name)).size);
const total = sizes.reduce((sum, size) => sum + size, 0);
files.forEach((name, i) => console.log(`${name} ${sizes[i]}`));
console.log(`first load: ${(total / 1024).toFixed(1)} of ${LIMIT / 1024} KiB`);
process.exit(files.length >= 3 && total <= LIMIT ? 0 : 1);
