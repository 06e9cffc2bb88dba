import { type Locator, type Page, expect } from "@playwright/test";
import { literally } from "../text";

/** The list of conversations. */
export class Conversations {
  readonly root: Locator;
  readonly rows: Locator;
  readonly newConversation: Locator;
  readonly filter: Locator;
  /** The line that shows what is put away. */
  readonly archived: Locator;

  constructor(page: Page) {
    this.root = page.getByRole("navigation", { name: "Conversations" });
    this.rows = this.root.getByRole("link").and(page.locator('[href^="/c/"]'));
    this.newConversation = page.getByRole("link", { name: "New conversation" }).first();
    this.filter = page.getByRole("searchbox", { name: "Filter conversations" });
    this.archived = this.root.locator("summary", { hasText: "Archived" });
  }

  row(name: string): Locator {
    return this.root.getByRole("link", { name: new RegExp(`^\\s*${literally(name)}`) });
  }

  async open(name: string): Promise<void> {
    await this.row(name).click();
  }

  /** The names of all rows that are not put away, from top to bottom. */
  names(): Promise<string[]> {
    return this.root.locator(":scope > ul .row-name").allTextContents();
  }

  /** The number on a conversation's badge; 0: no badge. */
  async expectUnread(name: string, count: number): Promise<void> {
    const row = this.row(name);
    if (count > 0) await expect(row).toHaveAccessibleName(new RegExp(`(^|\\D)${count} unread`));
    else {
      await expect(row).toBeVisible();
      await expect(row).not.toHaveAccessibleName(/\d\+? unread/);
    }
  }
}
