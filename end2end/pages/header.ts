import { type Locator, type Page, expect } from "@playwright/test";

/** The line above the messages. */
export class Header {
  readonly title: Locator;
  /** The line below the title: who is here. */
  readonly about: Locator;
  readonly back: Locator;
  readonly details: Locator;

  constructor(page: Page) {
    this.title = page.getByRole("heading", { level: 1 });
    this.about = page.locator("header.header p");
    this.back = page.getByRole("link", { name: "Back" });
    this.details = page.getByRole("button", { name: "Details" });
  }

  async expectTitle(name: string): Promise<void> {
    await expect(this.title).toHaveText(name);
  }
}
