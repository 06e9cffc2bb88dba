import type { Locator, Page } from "@playwright/test";

/** The page `/new`: finding people, founding groups (`?kind=group`), adding people to one (`?to=…`). */
export class NewConversation {
  readonly search: Locator;
  readonly group: Locator;
  readonly groupName: Locator;
  readonly createGroup: Locator;
  readonly addPeople: Locator;
  /** The way to the groups that everybody can join. */
  readonly findGroup: Locator;
  readonly searchGroups: Locator;
  /** Whether everybody can find and join the new group. */
  readonly anyone: Locator;
  /** That newcomers to it see everything. */
  readonly everything: Locator;

  constructor(private readonly page: Page) {
    this.search = page.getByRole("searchbox", { name: "Search people" });
    this.group = page.getByRole("link", { name: "New group" });
    this.groupName = page.getByRole("textbox", { name: "Group name" });
    this.addPeople = page.getByRole("main").getByRole("button", { name: "Add people" });
    this.findGroup = page.getByRole("link", { name: "Find a group" });
    this.searchGroups = page.getByRole("searchbox", { name: "Search groups" });
    this.anyone = page.getByRole("main").getByRole("switch", { name: "Anyone can find and join" });
    this.everything = page.getByRole("main").getByRole("radio", { name: "Everything from the beginning" });
    this.createGroup = page.getByRole("button", { name: "Create group" });
  }

  /** Opens the direct conversation with a person found. */
  person(name: string): Locator {
    return this.page.getByRole("main").getByRole("button", { name });
  }

  /** Joins a group found. */
  join(title: string): Locator {
    return this.page.getByRole("button", { name: `Join ${title}`, exact: true });
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
