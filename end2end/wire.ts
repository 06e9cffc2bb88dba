import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";

/**
 * A TCP proxy in front of a server: the network of one browser, which a test can cut and mend. (Chromium's own offline emulation leaves an
 * open WebSocket alone.)
 */
export class Wire {
  port = 0;
  private up = true;
  private readonly sockets = new Set<Socket>();
  private readonly listener = createServer((near) => this.join(near));

  private constructor(private readonly target: () => number) {}

  static async to(server: { readonly port: number }): Promise<Wire> {
    const wire = new Wire(() => server.port);
    wire.listener.listen(0, "127.0.0.1");
    await once(wire.listener, "listening");
    wire.port = (wire.listener.address() as AddressInfo).port;
    return wire;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends every connection and refuses new ones. */
  cut(): void {
    this.up = false;
    this.drop();
  }

  /** Lets connections through again. */
  mend(): void {
    this.up = true;
  }

  /** Ends every connection; new ones get through. */
  drop(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async dispose(): Promise<void> {
    this.cut();
    this.listener.close();
    await once(this.listener, "close");
  }

  private join(near: Socket): void {
    if (!this.up) {
      near.destroy();
      return;
    }
    const far = connect(this.target(), "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(from);
      from.setNoDelay(true);
      from.pipe(to);
      // A broken connection breaks on both sides.
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.sockets.delete(from);
        to.destroy();
      });
    }
  }
}
