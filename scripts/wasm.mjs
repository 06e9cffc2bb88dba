// Reads as much of a WebAssembly file as scripts/snip.mjs has to know: who calls whom, what the tables hold, what lies in memory.
// The numbers are those of the specification: https://webassembly.github.io/spec/core/binary/.

export const [CUSTOM, IMPORT, ELEMENT, CODE, DATA] = [0, 2, 9, 10, 11];
const FUNCTION_NAMES = 1;

/** A number of a section, as LEB128. */
export function encoded(value) {
  const out = [];
  do {
    out.push((value & 127) | (value > 127 ? 128 : 0));
    value >>>= 7;
  } while (value > 0);
  return Uint8Array.from(out);
}

export class Reader {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte() {
    return this.bytes[this.at++];
  }

  number() {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  /** A signed number, 32 bits of it. */
  signed() {
    let [value, shift, byte] = [0, 0, 128];
    for (; byte > 127; shift += 7) {
      byte = this.byte();
      if (shift < 32) value |= (byte & 127) << shift;
    }
    return shift < 32 && byte & 64 ? value | (-1 << shift) : value;
  }

  text() {
    const length = this.number();
    this.at += length;
    return this.bytes.toString("utf8", this.at - length, this.at);
  }

  list(read) {
    return Array.from({ length: this.number() }, () => read());
  }

  /** A constant expression: the number in it. */
  offset() {
    this.at++;
    const value = this.signed();
    this.at++;
    return value;
  }
}

/** The sections of a file, in order. */
export function sections(bytes) {
  const reader = new Reader(bytes, 8);
  const all = [];
  while (reader.at < bytes.length) {
    const start = reader.at;
    const id = reader.byte();
    const end = reader.number() + reader.at;
    all.push({ id, start, body: reader.at, end });
    reader.at = end;
  }
  return all;
}

/** Steps over what an import is, and says whether it is a function: they come first in the numbering. */
export function isFunction(reader) {
  const limits = () => {
    const flags = reader.byte();
    reader.number();
    if (flags & 1) reader.number();
  };
  const kind = reader.byte();
  if (kind === 0) reader.number();
  else if (kind === 1) { reader.at++; limits(); }
  else if (kind === 2) limits();
  else if (kind === 3) reader.at += 2;
  else { reader.at++; reader.number(); }
  return kind === 0;
}

/** The name section's names of functions. */
export function functionNames(reader, end) {
  const names = new Map();
  while (reader.at < end) {
    const kind = reader.byte();
    const stop = reader.number() + reader.at;
    if (kind === FUNCTION_NAMES) reader.list(() => names.set(reader.number(), reader.text()));
    reader.at = stop;
  }
  return names;
}

/** Which function stands in which place of the table, as far as it is filled at the start by numbers of functions. */
export function tablePlaces(reader) {
  const places = new Map();
  reader.list(() => {
    const flags = reader.number();
    if (flags === 0) {
      const from = reader.offset();
      reader.list(() => reader.number()).forEach((called, i) => places.set(from + i, called));
    } else if (flags === 2 || flags === 1 || flags === 3) {
      if (flags === 2) reader.number();
      const from = flags === 2 ? reader.offset() : undefined;
      reader.at++;
      const functions = reader.list(() => reader.number());
      if (from !== undefined) functions.forEach((called, i) => places.set(from + i, called));
    } else throw new Error(`elements of kind ${flags} are not read yet`);
  });
  return places;
}

/** The words of memory at the start, four bytes each, by their addresses. */
export function memory(reader) {
  const words = new Map();
  reader.list(() => {
    const flags = reader.number();
    if (flags !== 0) throw new Error(`data of kind ${flags} is not read yet`);
    const from = reader.offset();
    const length = reader.number();
    for (let at = (4 - (from % 4)) % 4; at + 4 <= length; at += 4) words.set(from + at, reader.bytes.readUInt32LE(reader.at + at));
    reader.at += length;
  });
  return words;
}

/** Offsets below are those of fields, from here on they are addresses: the stack lies before what is in memory at the start. */
const FIELDS = 65536;

/** What one function's code calls, and the constants in it. */
export function uses(reader, end) {
  const [calls, constants] = [new Set(), new Set()];
  for (let locals = reader.number(); locals > 0; locals--) { reader.number(); reader.at++; }
  const numbers = (count) => { for (; count > 0; count--) reader.number(); };
  while (reader.at < end) {
    const code = reader.byte();
    if (code === 0x10 || code === 0xd2) calls.add(reader.number());
    else if (code === 0x41) constants.add(reader.signed());
    else if (code === 0x42 || (code >= 0x02 && code <= 0x04)) reader.signed();
    else if (code === 0x0e) { reader.list(() => reader.number()); reader.number(); }
    else if (code === 0x1c) reader.list(() => reader.byte());
    else if (code === 0x11) numbers(2);
    else if (code >= 0x28 && code <= 0x3e) {
      reader.number();
      const offset = reader.number();
      if (offset >= FIELDS) constants.add(offset);
    }
    else if (code === 0x0c || code === 0x0d || (code >= 0x20 && code <= 0x26) || code === 0x3f || code === 0x40 || code === 0xd0) numbers(1);
    else if (code === 0x43) reader.at += 4;
    else if (code === 0x44) reader.at += 8;
    else if (code === 0xfc) {
      const more = reader.number();
      numbers(more < 8 ? 0 : [8, 10, 12, 14].includes(more) ? 2 : 1);
    } else if (code > 0xc4 && code !== 0xd1) throw new Error(`instruction ${code.toString(16)} is not read yet`);
  }
  if (reader.at !== end) throw new Error("a function was misread");
  return { calls, constants };
}
