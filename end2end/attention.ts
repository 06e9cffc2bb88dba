import type { Page } from "@playwright/test";

declare global {
  interface Window {
    confabTestAttention?: (state: "here" | "blurred" | "hidden") => void;
  }
}

/**
 * Runs before a page's own scripts: from then on the test says whether somebody looks at the page. (Playwright shows every page as the
 * focused one.) It begins as a window without focus.
 */
export function unattended(): void {
  let state: "here" | "blurred" | "hidden" = "blurred";
  document.hasFocus = () => state === "here";
  Object.defineProperty(document, "visibilityState", { get: () => (state === "hidden" ? "hidden" : "visible") });
  Object.defineProperty(document, "hidden", { get: () => state === "hidden" });
  window.confabTestAttention = (next) => {
    state = next;
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    window.dispatchEvent(new Event(next === "here" ? "focus" : "blur"));
  };
}

/** Says who looks at a page that was opened with `unattended`. */
export async function attention(page: Page, state: "here" | "blurred" | "hidden"): Promise<void> {
  await page.evaluate((next) => window.confabTestAttention!(next), state);
}
