// Empties functions of a WebAssembly file that the page never calls but that a table keeps alive: every view Leptos erases carries a way to
// hydrate asynchronously (for lazy routes and islands) and from a template, and we hydrate at once, from the server's HTML. An emptied
// function traps, so a change that begins to need one fails in every page test. Worth about 30 KB of the first load.
// Usage: node snip.mjs FILE. Needs the name section, and goes before wasm-opt, which then drops what only they needed.
import { readFileSync, writeFileSync } from "node:fs";

const UNUSED = [/\bhydrate_async\b/, /_with_async_value_erased\b/, /\bhydrate_from_template\b/, /\bgenerate_routes\b/];
/** `unreachable` and `end`, without locals: three bytes. */
const TRAP = Uint8Array.of(3, 0, 0, 0x0b);
/** Sections and kinds of imports and names, as the WebAssembly specification numbers them. */
const [CUSTOM, IMPORT, CODE] = [0, 2, 10];
const FUNCTION_NAMES = 1;

const file = process.argv[2];
const bytes = readFileSync(file);
let at = 8;

function number() {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[at++];
    value += (byte & 127) * scale;
    if (byte < 128) return value;
  }
}

function text() {
  const length = number();
  at += length;
  return bytes.toString("utf8", at - length, at);
}

function encoded(value) {
  const out = [];
  do {
    out.push((value & 127) | (value > 127 ? 128 : 0));
    value >>>= 7;
  } while (value > 0);
  return Uint8Array.from(out);
}

function limits() {
  const flags = number();
  number();
  if (flags & 1) number();
}

/** How many functions are imported: they come first in the numbering. */
function importedFunctions() {
  let functions = 0;
  for (let left = number(); left > 0; left--) {
    text();
    text();
    const kind = bytes[at++];
    if (kind === 0) { functions++; number(); }
    else if (kind === 1) { at++; limits(); }
    else if (kind === 2) limits();
    else if (kind === 3) at += 2;
    else { at++; number(); }
  }
  return functions;
}

function functionNames(end) {
  const names = new Map();
  while (at < end) {
    const kind = bytes[at++];
    const stop = number() + at;
    if (kind === FUNCTION_NAMES) {
      for (let left = number(); left > 0; left--) {
        const index = number();
        names.set(index, text());
      }
    }
    at = stop;
  }
  return names;
}

let imported = 0;
let names = new Map();
const sections = [];
while (at < bytes.length) {
  const start = at;
  const id = bytes[at++];
  const end = number() + at;
  sections.push({ id, start, body: at, end });
  if (id === IMPORT) imported = importedFunctions();
  if (id === CUSTOM && text() === "name") names = functionNames(end);
  at = end;
}
if (names.size === 0) throw new Error(`${file} has no names: nothing can be told apart`);

function emptied({ body }) {
  at = body;
  const count = number();
  const parts = [encoded(count)];
  let [functions, saved] = [0, 0];
  for (let i = 0; i < count; i++) {
    const start = at;
    at = number() + at;
    const name = names.get(imported + i) ?? "";
    if (UNUSED.some((unused) => unused.test(name))) {
      parts.push(TRAP);
      functions++;
      saved += at - start;
    } else parts.push(bytes.subarray(start, at));
  }
  if (functions === 0) throw new Error(`${file} has none of the functions that are to be emptied: look at their names`);
  console.log(`emptied ${functions} functions of ${saved} bytes`);
  return Buffer.concat(parts);
}

const out = [bytes.subarray(0, 8)];
for (const section of sections) {
  if (section.id !== CODE) out.push(bytes.subarray(section.start, section.end));
  else {
    const body = emptied(section);
    out.push(Uint8Array.of(CODE), encoded(body.length), body);
  }
}
writeFileSync(file, Buffer.concat(out));
