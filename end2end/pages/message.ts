import { type Locator, type Page, expect } from "@playwright/test";
import { literally } from "../text";

/** What is done with single messages: toolbar, menu, picker, dialogs, pins. */
export class MessageActions {
  readonly menu: Locator;
  readonly picker: Locator;
  readonly emojiSearch: Locator;
  readonly dialog: Locator;
  readonly pins: Locator;
  /** What is being answered or edited, above the composer. */
  readonly bar: Locator;
  readonly mentions: Locator;

  constructor(page: Page) {
    this.menu = page.getByRole("menu", { name: "Message actions" });
    this.picker = page.getByRole("dialog", { name: "Emoji" });
    this.emojiSearch = this.picker.getByRole("searchbox");
    this.dialog = page.locator("dialog[open]");
    this.pins = page.getByRole("region", { name: "Pinned messages" });
    this.bar = page.getByRole("status").filter({ has: page.getByRole("button", { name: /^(Do not reply|Stop editing)$/ }) });
    this.mentions = page.getByRole("listbox", { name: "Whom to mention" });
  }

  toolbar(message: Locator): Locator {
    return message.getByRole("group", { name: "Message actions" });
  }

  /** Opens a message's menu by its toolbar. */
  async open(message: Locator): Promise<void> {
    await message.hover();
    await this.toolbar(message).getByRole("button", { name: "More" }).click();
    await expect(this.menu).toBeVisible();
  }

  item(name: string): Locator {
    return this.menu.getByRole("menuitem", { name, exact: true });
  }

  async choose(message: Locator, item: string): Promise<void> {
    await this.open(message);
    await this.item(item).click();
    await expect(this.menu).toBeHidden();
  }

  /** Opens the picker for a message. */
  async openPicker(message: Locator): Promise<void> {
    await message.hover();
    await this.toolbar(message).getByRole("button", { name: "React" }).click();
    await expect(this.picker).toBeVisible();
  }

  async react(message: Locator, emoji: string): Promise<void> {
    await this.openPicker(message);
    await this.picker.getByRole("button", { name: emoji, exact: true }).first().click();
    await expect(this.picker).toBeHidden();
  }

  /** The pill of an emoji under a message. */
  reaction(message: Locator, emoji: string): Locator {
    return message.getByRole("group", { name: "Reactions" }).getByRole("button", { name: new RegExp(`^${literally(emoji)} `) });
  }

  quote(message: Locator): Locator {
    return message.getByRole("link", { name: /^In reply to / });
  }

  option(name: string): Locator {
    return this.mentions.getByRole("option", { name });
  }
}
