import type { Locator, Page } from "@playwright/test";

/** The page `/new`: finding people, founding groups (`?kind=group`), adding people to one (`?to=…`). */
export class NewConversation {
  readonly search: Locator;
  readonly group: Locator;
  readonly groupName: Locator;
  readonly createGroup: Locator;
  readonly addPeople: Locator;

  constructor(private readonly page: Page) {
    this.search = page.getByRole("searchbox", { name: "Search people" });
    this.group = page.getByRole("link", { name: "New group" });
    this.groupName = page.getByRole("textbox", { name: "Group name" });
    this.addPeople = page.getByRole("main").getByRole("button", { name: "Add people" });
    this.createGroup = page.getByRole("button", { name: "Create group" });
  }

  /** Opens the direct conversation with a person found. */
  person(name: string): Locator {
    return this.page.getByRole("main").getByRole("button", { name });
  }

  /** The box of a person found for a group. */
  choice(name: string): Locator {
    return this.page.getByRole("checkbox", { name });
  }

  /** Finds people and ticks their boxes. */
  async choose(...names: string[]): Promise<void> {
    for (const name of names) {
      await this.search.fill(name);
      await this.choice(name).check();
    }
  }
}
