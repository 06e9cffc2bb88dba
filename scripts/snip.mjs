// Takes out of the page's WebAssembly what it never needs but what a table or a name keeps alive:
//  - functions it never calls are emptied and trap, so a change that begins to need one fails in every page test. Every view Leptos erases
//    carries a way to hydrate asynchronously (for lazy routes and islands) and from a template, and we hydrate at once, from the server's
//    HTML; wasm-streams exports what makes a request's body of a stream, and we have none;
//  - `{:?}` writes nothing. Only panics and logs of our libraries use it, and developers' builds still have it;
//  - imports get short names, in the script too: wasm-bindgen's end in sixteen random digits.
// Worth 60 KB of the first load.
// Usage: node snip.mjs WASM SCRIPT. Needs the name section, and goes before wasm-opt, which then drops what only they needed.
import { readFileSync, writeFileSync } from "node:fs";

// A function inside one of them (`hydrate_async::{{closure}}::prep`) may stand for an equal one that is needed: equal ones are merged.
const UNUSED = [/\bhydrate_async(::\{\{closure\}\})+(::h[0-9a-f]{16})?$/, /_with_async_value_erased(::\{\{closure\}\})+(::h[0-9a-f]{16})?$/];
const SILENT = [];
/** `unreachable` and `end`, without locals: three bytes. */
const TRAP = Uint8Array.of(3, 0, 0, 0x0b);
/** `i32.const 0`, which is `Ok(())`, and `end`. */
const DONE = Uint8Array.of(4, 0, 0x41, 0, 0x0b);
const I32 = 0x7f;
/** Sections and kinds of imports and names, as the WebAssembly specification numbers them. */
const [CUSTOM, TYPE, IMPORT, FUNCTION, CODE] = [0, 1, 2, 3, 10];
const FUNCTION_NAMES = 1;

const [, , file, script] = process.argv;
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

/** Steps over what an import is, and says whether it is a function: they come first in the numbering. */
function isFunction() {
  const kind = bytes[at++];
  if (kind === 0) number();
  else if (kind === 1) { at++; limits(); }
  else if (kind === 2) limits();
  else if (kind === 3) at += 2;
  else { at++; number(); }
  return kind === 0;
}

/** The import section with short names, and which name became which. */
function shortened() {
  const short = new Map();
  const count = number();
  const parts = [encoded(count)];
  let functions = 0;
  for (let i = 0; i < count; i++) {
    const start = at;
    text();
    parts.push(bytes.subarray(start, at));
    const name = text();
    if (!short.has(name)) short.set(name, `_${short.size.toString(36)}`);
    const what = at;
    if (isFunction()) functions++;
    parts.push(encoded(short.get(name).length), Buffer.from(short.get(name)), bytes.subarray(what, at));
  }
  return { section: Buffer.concat(parts), short, functions };
}

/** Of each type of function: what it returns, as far as it matters. */
function returned() {
  return Array.from({ length: number() }, () => {
    at++; // "func"
    at = number() + at; // parameters, a byte each as long as no garbage collector is used
    const results = number();
    at += results;
    if (results === 0) return "nothing";
    return results === 1 && bytes[at - 1] === I32 ? "i32" : "other";
  });
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

let imports;
let types = [];
let typeOf = [];
let names = new Map();
const sections = [];
while (at < bytes.length) {
  const start = at;
  const id = bytes[at++];
  const end = number() + at;
  sections.push({ id, start, body: at, end });
  if (id === TYPE) types = returned();
  if (id === IMPORT) imports = shortened();
  if (id === FUNCTION) typeOf = Array.from({ length: number() }, number);
  if (id === CUSTOM && text() === "name") names = functionNames(end);
  at = end;
}
if (names.size === 0) throw new Error(`${file} has no names: nothing can be told apart`);

function emptied({ body }) {
  at = body;
  const count = number();
  const parts = [encoded(count)];
  let [functions, silent, saved] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const start = at;
    at = number() + at;
    const name = names.get(imports.functions + i) ?? "";
    if (UNUSED.some((unused) => unused.test(name))) {
      parts.push(TRAP);
      functions++;
      saved += at - start;
    } else if (SILENT.some((debug) => debug.test(name)) && types[typeOf[i]] === "i32") {
      parts.push(DONE);
      silent++;
      saved += at - start;
    } else parts.push(bytes.subarray(start, at));
  }
  if (functions === 0) throw new Error(`${file} has none of the functions that are to be emptied: look at their names`);
  console.log(`emptied ${functions} functions and silenced ${silent}: ${saved} bytes`);
  return Buffer.concat(parts);
}

const out = [bytes.subarray(0, 8)];
for (const section of sections) {
  const body = section.id === CODE ? emptied(section) : section.id === IMPORT ? imports.section : undefined;
  if (body === undefined) out.push(bytes.subarray(section.start, section.end));
  else out.push(Uint8Array.of(section.id), encoded(body.length), body);
}

// In the script each import is a property of one object, at the beginning of a line.
let renamed = 0;
const source = readFileSync(script, "utf8").replace(/^( +)([\w$]+)(?=:)/gm, (all, indent, name) => {
  if (!imports.short.has(name)) return all;
  renamed++;
  return indent + imports.short.get(name);
});
if (renamed !== imports.short.size) throw new Error(`${script} has ${renamed} of ${imports.short.size} imports`);
writeFileSync(file, Buffer.concat(out));
writeFileSync(script, source);
