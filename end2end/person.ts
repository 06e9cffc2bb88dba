import { randomBytes } from "node:crypto";
import type { Server } from "./server";

export interface Message {
  id: string;
  seq: number;
  sender: string;
  body: { kind: string; text?: string };
}

export interface Conversation {
  id: string;
  kind: "direct" | "group";
  title: string;
  head_seq: number;
  read_seq: number;
  unread: number;
  members: { user: string; role: string; read_seq: number }[];
  member_count: number;
}

export interface Cookie {
  name: string;
  value: string;
}

const PASSWORD = "correct horse battery";
/** Largest page the server hands out. */
const PAGE = 200;

/** Letters only, so that no name looks like a count; long enough that two tests on one server never share a name. */
function suffix(): string {
  return [...randomBytes(6)].map((byte) => "bcdfghjklmnpqrst"[byte % 16]).join("");
}

/** An account, and what its owner does over REST: quickly arranging what a test is not about, and checking what the server holds. */
export class Person {
  private constructor(
    readonly server: Server,
    readonly id: string,
    readonly username: string,
    /** The name shown. */
    readonly name: string,
    readonly password: string,
    private readonly token: string,
    /** Of the session that registering began. */
    readonly cookie: Cookie,
  ) {}

  /** A new account whose names begin with `name` and are used by nobody else. */
  static async register(server: Server, name: string): Promise<Person> {
    const [username, display] = Person.names(name);
    const { answer, cookie } = await Person.begin(server, "accounts", {
      username,
      password: PASSWORD,
      display_name: display,
    });
    return new Person(server, answer.user.id, username, display, PASSWORD, answer.token, cookie);
  }

  /** A free user name and display name that begin with `name`. */
  static names(name: string): [username: string, display: string] {
    const end = suffix();
    return [`${name.replace(/[^A-Za-z]/g, "").toLowerCase()}-${end}`, `${name} ${end[0]!.toUpperCase()}${end.slice(1)}`];
  }

  /** Signs in on another device and returns its cookie. */
  async signIn(): Promise<Cookie> {
    const { cookie } = await Person.begin(this.server, "sessions", { username: this.username, password: this.password });
    return cookie;
  }

  /** The direct conversation with somebody; its id. */
  async direct(other: Person): Promise<string> {
    return (await this.ask<Conversation>("POST", "conversations", { kind: "direct", user: other.id })).id;
  }

  /** A new group; its id. */
  async group(title: string, ...members: Person[]): Promise<string> {
    const asked = { kind: "group", title, members: members.map((member) => member.id) };
    return (await this.ask<Conversation>("POST", "conversations", asked)).id;
  }

  add(conversation: string, other: Person): Promise<unknown> {
    return this.ask("POST", `conversations/${conversation}/members`, { user: other.id });
  }

  remove(conversation: string, other: Person): Promise<unknown> {
    return this.ask("DELETE", `conversations/${conversation}/members/${other.id}`);
  }

  async send(conversation: string, ...texts: string[]): Promise<void> {
    // One after the other: each has its answer before the next, so they are stored in this order.
    for (const text of texts) {
      await this.ask("POST", `conversations/${conversation}/messages`, {
        nonce: crypto.randomUUID(),
        body: { kind: "text", text },
      });
    }
  }

  conversation(id: string): Promise<Conversation> {
    return this.ask("GET", `conversations/${id}`);
  }

  async conversations(): Promise<Conversation[]> {
    return (await this.ask<{ conversations: Conversation[] }>("GET", "conversations")).conversations;
  }

  async unread(id: string): Promise<number> {
    return (await this.conversation(id)).unread;
  }

  read(id: string, seq: number): Promise<unknown> {
    return this.ask("POST", `conversations/${id}/read`, { seq });
  }

  /** Every message, oldest first. */
  async history(id: string): Promise<Message[]> {
    const all: Message[] = [];
    for (;;) {
      const after = all.at(-1)?.seq ?? 0;
      const page = await this.ask<{ messages: Message[]; head_seq: number }>(
        "GET",
        `conversations/${id}/messages?after=${after}&limit=${PAGE}`,
      );
      all.push(...page.messages);
      if (page.messages.length === 0 || all.at(-1)!.seq >= page.head_seq) return all;
    }
  }

  /** The text of every message, oldest first. */
  async texts(id: string): Promise<string[]> {
    return (await this.history(id)).map((message) => message.body.text ?? "");
  }

  /** The REST API as this person. */
  async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.server.url}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  private static async begin(server: Server, path: "accounts" | "sessions", body: unknown) {
    const answer = await fetch(`${server.url}/api/v1/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${text}`);
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(answer.headers.getSetCookie()[0] ?? "") ?? [];
    if (!name || !value) throw new Error(`POST ${path} set no cookie`);
    return { answer: JSON.parse(text) as { user: { id: string }; token: string }, cookie: { name, value } };
  }
}
