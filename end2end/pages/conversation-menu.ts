import { type Locator, type Page, expect } from "@playwright/test";

/** What can be done with a conversation as a whole: opened from the header or from its row in the list. */
export class ConversationMenu {
  readonly root: Locator;
  private readonly button: Locator;

  constructor(page: Page) {
    this.root = page.getByRole("menu", { name: "Conversation actions" });
    this.button = page.getByRole("button", { name: "Conversation actions" });
  }

  item(name: string): Locator {
    return this.root.getByRole("menuitem", { name, exact: true });
  }

  /** Opens it by the header's button. */
  async open(): Promise<void> {
    await this.button.click();
    await expect(this.root).toBeVisible();
  }

  /** Opens it by the header's button, or by a row of the list, and chooses. */
  async choose(name: string, row?: Locator): Promise<void> {
    if (row) await row.click({ button: "right" });
    else await this.button.click();
    await this.item(name).click();
    await expect(this.root).toBeHidden();
  }
}
