import type { Locator, Page } from "@playwright/test";

/** The page `/register`. */
export class Register {
  readonly username: Locator;
  readonly displayName: Locator;
  readonly password: Locator;
  readonly submit: Locator;
  readonly error: Locator;

  constructor(page: Page) {
    this.username = page.getByRole("textbox", { name: "Username" });
    this.displayName = page.getByRole("textbox", { name: "Display name" });
    this.password = page.getByLabel("Password", { exact: true });
    this.submit = page.getByRole("button", { name: "Create account" });
    this.error = page.getByRole("alert");
  }

  async as(username: string, name: string, password: string): Promise<void> {
    await this.username.fill(username);
    await this.displayName.fill(name);
    await this.password.fill(password);
    await this.submit.click();
  }
}
