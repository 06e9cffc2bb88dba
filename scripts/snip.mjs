// Takes out of the page's WebAssembly what it never needs but what a table or a name keeps alive:
//  - functions it never calls are emptied and trap, so a change that begins to need one fails in every page test. Every view Leptos erases
//    carries a way to hydrate asynchronously (for lazy routes and islands), every route one to be listed for a static site, and we hydrate at
//    once, from the server's HTML; wasm-streams exports what makes a request's body of a stream, and we have none;
//  - imports get short names, in the script too: wasm-bindgen's end in sixteen random digits.
// Usage: node snip.mjs WASM SCRIPT. Needs the name section, and goes before wasm-opt, which then drops what only they needed.
import { readFileSync, writeFileSync } from "node:fs";
import * as wasm from "./wasm.mjs";

/** Of these and of what is inside of them, that is emptied which nothing else turns out to need. */
const UNUSED = /\b(hydrate_async|new_with_async_value_erased|generate_routes)\b|^intounderlying/;
/** What views and routes offer: it stands in the table for their sake. */
const OFFERED = /::(into_any::hydrate_async|into_any_nested_route::generate_routes)$/;
/** `unreachable` and `end`, without locals: three bytes. */
const TRAP = Uint8Array.of(3, 0, 0, 0x0b);

const [, , file, script] = process.argv;
const bytes = readFileSync(file);
const all = wasm.sections(bytes);
const section = (id) => all.find((one) => one.id === id);
const reading = (id) => new wasm.Reader(bytes, section(id).body);

/** The import section with short names, and which name became which. */
function shortened() {
  const reader = reading(wasm.IMPORT);
  const short = new Map();
  const count = reader.number();
  const parts = [wasm.encoded(count)];
  let functions = 0;
  for (let i = 0; i < count; i++) {
    const start = reader.at;
    reader.text();
    parts.push(bytes.subarray(start, reader.at));
    const name = reader.text();
    if (!short.has(name)) short.set(name, `_${short.size.toString(36)}`);
    const what = reader.at;
    if (wasm.isFunction(reader)) functions++;
    parts.push(wasm.encoded(short.get(name).length), Buffer.from(short.get(name)), bytes.subarray(what, reader.at));
  }
  return { body: Buffer.concat(parts), short, functions };
}

/** Every function that has code, by its number, with its name less the compiler's hash. */
function functions(imported) {
  const names = new Map();
  for (const { id, body, end } of all) {
    const reader = new wasm.Reader(bytes, body);
    if (id === wasm.CUSTOM && reader.text() === "name") wasm.functionNames(reader, end).forEach((name, i) => names.set(i, name));
  }
  if (names.size === 0) throw new Error(`${file} has no names: nothing can be told apart`);
  const code = reading(wasm.CODE);
  return new Map(code.list(() => {
    const start = code.at;
    const end = code.number() + code.at;
    return { start, end, ...wasm.uses(code, end) };
  }).map((one, i) => {
    const name = (names.get(imported + i) ?? "").replace(/::h[0-9a-f]{16}$/, "");
    return [imported + i, { ...one, name }];
  }));
}

/**
 * The functions that only unused ones need. The compiler keeps one of several functions with the same code, so a name proves nothing:
 * whatever a function that stays calls or names, stays too. Exempt is what stands in a virtual table that only emptied functions name, and
 * what is offered, if it makes a future of such a table: a function with the same code would make the same.
 */
function unused(code) {
  const empty = new Set();
  for (const [i, { name }] of code) if (UNUSED.test(name)) empty.add(i);
  const places = wasm.tablePlaces(reading(wasm.ELEMENT));
  const words = wasm.memory(reading(wasm.DATA));
  const stored = new Set(words.values());
  /** Where something begins, or may. */
  const begins = new Set(stored);
  for (const { constants } of code.values()) for (const constant of constants) begins.add(constant);
  for (let before = -1; before !== empty.size; ) {
    before = empty.size;
    const [kept, vtables] = [new Set(), new Set()];
    for (const [i, { constants }] of code) for (const constant of constants) (empty.has(i) ? vtables : kept).add(constant);
    // How to drop it, its size, its alignment, then one to three functions.
    const exempt = new Set();
    for (const at of vtables) {
      if (kept.has(at) || stored.has(at) || !places.has(words.get(at + 12)) || ![1, 2, 4, 8, 16].includes(words.get(at + 8))) continue;
      if (words.get(at) !== 0 && !places.has(words.get(at))) continue;
      exempt.add(at);
      exempt.add(at + 12);
      for (let more = at + 16; more < at + 24 && !begins.has(more); more += 4) exempt.add(more);
    }
    for (const [at, word] of words) if (!exempt.has(at)) kept.add(word);
    for (const [i, { calls }] of code) if (!empty.has(i)) for (const called of calls) empty.delete(called);
    const offered = ({ name, constants }) => OFFERED.test(name) && (name.endsWith("routes") || [...constants].some((at) => exempt.has(at)));
    for (const [at, i] of places) if (empty.has(i) && kept.has(at) && !offered(code.get(i))) empty.delete(i);
  }
  return empty;
}

const imports = shortened();
const code = functions(imports.functions);
const empty = unused(code);
const parts = [wasm.encoded(code.size)];
let saved = 0;
for (const [i, { start, end }] of code) {
  const instead = empty.has(i) ? TRAP : bytes.subarray(start, end);
  parts.push(instead);
  saved += end - start - instead.length;
}
if (empty.size === 0) throw new Error(`${file} has none of the functions that are to be emptied: look at their names`);
console.log(`emptied ${empty.size} functions: ${saved} bytes`);

const out = [bytes.subarray(0, 8)];
for (const { id, start, end } of all) {
  const body = id === wasm.CODE ? Buffer.concat(parts) : id === wasm.IMPORT ? imports.body : undefined;
  if (body === undefined) out.push(bytes.subarray(start, end));
  else out.push(Uint8Array.of(id), wasm.encoded(body.length), body);
}

// In the script each import is a property of one object, at the beginning of a line.
let renamed = 0;
const source = readFileSync(script, "utf8").replace(/^( +)([\w$]+)(?=:)/gm, (match, indent, name) => {
  if (!imports.short.has(name)) return match;
  renamed++;
  return indent + imports.short.get(name);
});
if (renamed !== imports.short.size) throw new Error(`${script} has ${renamed} of ${imports.short.size} imports`);
writeFileSync(file, Buffer.concat(out));
writeFileSync(script, source);
