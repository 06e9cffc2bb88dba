// Writes FILE.br and FILE.gz beside every text and WebAssembly file of the folder given, as small as they get, because the server sends these
// bytes as they are. Prints the sizes.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const folder = process.argv[2];
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`.padStart(12);

console.log(`${"".padEnd(36)}${"plain".padStart(12)}${"gzip".padStart(12)}${"brotli".padStart(12)}`);
for (const name of readdirSync(folder, { recursive: true }).sort()) {
  if (!/\.(wasm|js|css|svg|json)$/.test(name)) continue;
  const path = join(folder, name);
  const plain = readFileSync(path);
  const brotli = brotliCompressSync(plain, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
    },
  });
  const gzip = gzipSync(plain, { level: 9 });
  writeFileSync(`${path}.br`, brotli);
  writeFileSync(`${path}.gz`, gzip);
  console.log(`${name.padEnd(36)}${kib(plain.length)}${kib(gzip.length)}${kib(brotli.length)}`);
}
