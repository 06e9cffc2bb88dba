import type { Locator, Page } from "@playwright/test";

/** The page `/settings`: the account, its language, the sound, its devices. */
export class Settings {
  readonly displayName: Locator;
  readonly language: Locator;
  /** Whether this device makes a sound. */
  readonly sound: Locator;
  readonly signOut: Locator;
  readonly devices: Locator;

  constructor(private readonly page: Page) {
    this.displayName = page.getByRole("textbox", { name: "Display name" });
    this.language = page.getByRole("combobox", { name: "Language" });
    this.sound = page.getByRole("switch", { name: "Sound for new messages" });
    this.signOut = page.getByRole("button", { name: "Sign out", exact: true });
    this.devices = page.getByRole("main").getByRole("listitem");
  }

  /** Chooses the page's language by its own name. */
  async choose(language: string): Promise<void> {
    await this.language.selectOption({ label: language });
    await this.language.press("Tab");
    await this.page.keyboard.press("Enter");
  }

  /** Ends the session of the one other device. */
  async revokeOther(): Promise<void> {
    await this.devices.getByRole("button", { name: /^Sign out/ }).click();
  }
}
