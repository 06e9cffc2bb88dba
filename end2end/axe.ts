import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "@playwright/test";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds wrong in the page, with the places. */
export async function findings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const axe = (globalThis as unknown as { axe: typeof import("axe-core") }).axe;
    const { violations } = await axe.run({ reporter: "v2" } as never);
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map((node) => {
        const why = [...node.any, ...node.all, ...node.none].map(({ message }) => message).join(" ");
        return `${id}: ${help}: ${node.target.join(" ")}: ${node.html}: ${why}`;
      }),
    );
  });
}
