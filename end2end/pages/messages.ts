import { type Locator, type Page, expect } from "@playwright/test";
import { literally } from "../text";

/** The messages of the open conversation. */
export class Messages {
  readonly log: Locator;
  readonly all: Locator;
  readonly divider: Locator;
  readonly latest: Locator;

  constructor(private readonly page: Page) {
    this.log = page.getByRole("log", { name: "Messages" });
    this.all = this.log.getByRole("article");
    this.divider = this.log.getByText("New", { exact: true });
    this.latest = page.getByRole("button", { name: "Jump to latest" });
  }

  /** The messages with this text, whatever their state. */
  with(text: string): Locator {
    return this.all.filter({ hasText: text });
  }

  /** What happened between messages. */
  line(text: string): Locator {
    return this.log.getByRole("paragraph").filter({ hasText: text });
  }

  /** The message with this number. */
  seq(seq: number): Locator {
    return this.all.and(this.page.locator(`[data-seq="${seq}"]`));
  }

  in(state: "pending" | "sent" | "refused"): Locator {
    return this.all.and(this.page.locator(`[data-state="${state}"]`));
  }

  /** The message is there once, and stored. */
  async expectSent(...texts: string[]): Promise<void> {
    for (const text of texts) {
      await expect(this.with(text)).toHaveCount(1);
      await expect(this.with(text)).toHaveAttribute("data-state", "sent");
    }
  }

  async expectPending(...texts: string[]): Promise<void> {
    for (const text of texts) {
      await expect(this.with(text)).toHaveCount(1);
      await expect(this.with(text)).toHaveAttribute("data-state", "pending");
    }
  }

  /** Which of these texts the page shows, from top to bottom, as often as it shows them. */
  async order(texts: string[]): Promise<string[]> {
    const shown = await this.all.allTextContents();
    const any = new RegExp(texts.map(literally).join("|"), "g");
    return shown.flatMap((text) => text.match(any) ?? []);
  }

  /** Numbers of the stored messages in the page, from top to bottom. */
  seqs(): Promise<number[]> {
    return this.all.evaluateAll((articles) =>
      articles.flatMap((article) => (article.hasAttribute("data-seq") ? [Number(article.getAttribute("data-seq"))] : [])),
    );
  }

  /** How far the lower edge of the newest message is below the lower edge of what is visible; 0 or less at the bottom. */
  belowView(): Promise<number> {
    return this.log.evaluate((log) => {
      let scroller = log;
      while (scroller.parentElement && !/auto|scroll/.test(getComputedStyle(scroller).overflowY)) scroller = scroller.parentElement;
      const last = [...log.querySelectorAll("[data-state]")].at(-1);
      return last ? last.getBoundingClientRect().bottom - scroller.getBoundingClientRect().bottom : 0;
    });
  }

  async expectAtBottom(): Promise<void> {
    await expect.poll(() => this.belowView()).toBeLessThanOrEqual(1);
  }

  /** How far a message is from the top of the window. */
  top(seq: number): Promise<number> {
    return this.seq(seq).evaluate((article) => article.getBoundingClientRect().top);
  }

  /** The same, once scrolling has come to rest. */
  async settledTop(seq: number): Promise<number> {
    return this.seq(seq).evaluate(async (article) => {
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      let top = article.getBoundingClientRect().top;
      for (let still = 0; still < 10; ) {
        await frame();
        const now = article.getBoundingClientRect().top;
        still = now === top ? still + 1 : 0;
        top = now;
      }
      return top;
    });
  }

  /**
   * Scrolls to the oldest message in the page and waits until older ones are above it. Answers by how many pixels that moved what was
   * being read.
   */
  loadOlder(): Promise<number> {
    return this.log.evaluate(async (log) => {
      let scroller = log;
      while (scroller.parentElement && !/auto|scroll/.test(getComputedStyle(scroller).overflowY)) scroller = scroller.parentElement;
      const oldest = () => log.querySelector("[data-seq]")!;
      const anchor = oldest();
      const seq = Number(anchor.getAttribute("data-seq"));
      anchor.scrollIntoView({ block: "start", behavior: "instant" });
      const before = anchor.getBoundingClientRect().top;
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      const deadline = performance.now() + 10_000;
      while (Number(oldest().getAttribute("data-seq")) >= seq) {
        if (performance.now() > deadline) throw new Error(`nothing older than ${seq} was loaded`);
        await frame();
      }
      // Two frames later every correction of the position is painted.
      await frame();
      await frame();
      return log.querySelector(`[data-seq="${seq}"]`)!.getBoundingClientRect().top - before;
    });
  }

  /** Turns the mouse wheel over the messages. */
  async wheel(pixels: number): Promise<void> {
    await this.log.hover();
    await this.page.mouse.wheel(0, pixels);
  }
}
