import { type Locator, type Page, expect } from "@playwright/test";

/** Where messages are written. */
export class Composer {
  readonly field: Locator;
  readonly sendButton: Locator;

  constructor(page: Page) {
    this.field = page.getByRole("textbox", { name: "Message", exact: true });
    this.sendButton = page.getByRole("button", { name: "Send", exact: true });
  }

  /** Writes messages and sends each by Enter. */
  async send(...texts: string[]): Promise<void> {
    for (const text of texts) {
      await this.field.fill(text);
      await this.field.press("Enter");
      await this.expectText("");
    }
  }

  /** The same for many messages, as fast as the page takes them: one each frame. */
  async sendQuickly(...texts: string[]): Promise<void> {
    await this.field.evaluate(async (field: HTMLTextAreaElement, texts) => {
      for (const text of texts) {
        field.value = text;
        field.dispatchEvent(new InputEvent("input", { bubbles: true }));
        field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
        await new Promise((resolve) => requestAnimationFrame(resolve));
        if (field.value !== "") throw new Error(`not taken: ${text}`);
      }
    }, texts);
  }

  async expectText(text: string): Promise<void> {
    await expect(this.field).toHaveValue(text);
  }
}
