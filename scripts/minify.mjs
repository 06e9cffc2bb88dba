// Takes comments and white space out of styles, comments and indentation out of wasm-bindgen's script. Worth 6 KB of the first load.
// Usage: node minify.mjs FILE...
import { readFileSync, writeFileSync } from "node:fs";

/** Strings and addresses stay as they are; white space goes where no token could grow together with its neighbour. */
const CSS = /("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|url\([^)"']*\))|\/\*[\s\S]*?\*\/|\s*([{};,])\s*|:\s+|\s+/g;

function css(text) {
  const bare = text.replace(/("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\/\*[\s\S]*?\*\//g, (_, string) => string ?? " ");
  return bare.replace(CSS, (all, kept, mark) => kept ?? mark ?? (all[0] === ":" ? ":" : " ")).trim();
}

/** The script has no string over several lines, where indentation would mean something. */
function script(text) {
  return text.replace(/^[ \t]*\/\*\*[\s\S]*?\*\/\n/gm, "").replace(/^[ \t]+/gm, "");
}

for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, "utf8");
  writeFileSync(file, file.endsWith(".css") ? css(text) : script(text));
}
