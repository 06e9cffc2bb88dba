import type { Browser, BrowserContext, BrowserContextOptions, Page } from "@playwright/test";
import type { Guard } from "./guard";
import { App } from "./pages/app";
import { type Cookie, Person } from "./person";
import type { Server } from "./server";
import { Wire } from "./wire";

export interface VisitOptions extends BrowserContextOptions {
  /** The session's cookie; that of the person's first session where absent, none where null. */
  cookie?: Cookie | null;
  /** The network between browser and server; a direct one where absent. */
  through?: Wire;
  /** Runs on every page before the page's own scripts. */
  before?: () => void;
}

/** One server, the people on it and their browsers. */
export class World {
  private readonly contexts: BrowserContext[] = [];
  private readonly wires: Wire[] = [];

  constructor(
    readonly server: Server,
    private readonly browser: Browser,
    private readonly guard: Guard,
    private readonly defaults: BrowserContextOptions,
  ) {}

  /** New accounts, one for each name. */
  people<const Names extends readonly string[]>(...names: Names): Promise<{ [Index in keyof Names]: Person }> {
    const registered = names.map((name) => Person.register(this.server, name));
    return Promise.all(registered) as Promise<{ [Index in keyof Names]: Person }>;
  }

  /** A browser of its own, signed in as `person` (nobody: null), at `path`; resolves when the page is hydrated. */
  async visit(person: Person | null, path: string, options: VisitOptions = {}): Promise<App> {
    const app = new App(await this.page(person, options));
    await app.page.goto(path);
    if (options.javaScriptEnabled !== false) await app.hydrated();
    return app;
  }

  /** A browser of its own, signed in as `person` (nobody: null), with an empty page. */
  async page(person: Person | null, options: VisitOptions = {}): Promise<Page> {
    const { cookie = person?.cookie, through, before, ...rest } = options;
    const origin = (through ?? this.server).url;
    const context = await this.browser.newContext({ ...this.defaults, baseURL: origin, ...rest });
    this.contexts.push(context);
    this.guard.watch(context, origin);
    if (cookie) await context.addCookies([{ ...cookie, url: origin, httpOnly: true, sameSite: "Lax" }]);
    if (before) await context.addInitScript(before);
    return context.newPage();
  }

  /** A network between a browser and the server that can be cut. */
  async wire(): Promise<Wire> {
    const wire = await Wire.to(this.server);
    this.wires.push(wire);
    return wire;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.contexts.map((context) => context.close()));
    await Promise.all(this.wires.map((wire) => wire.dispose()));
  }
}
