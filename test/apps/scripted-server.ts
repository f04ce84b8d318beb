import type { TcpSocket } from "../../src/netstack/index.ts";
import type { TwoHosts } from "./two-hosts.ts";

/** What a scripted server does when a request's empty line has come. */
export type Reply = (socket: TcpSocket, request: string) => void;

/** A server on the second host that keeps what it was sent and answers as told, whatever it was asked. */
export class ScriptedServer {
  readonly requests: string[] = [];

  constructor(net: TwoHosts, port: number, reply: Reply) {
    net.server.stack.tcp.listen({ port }, (socket) => {
      let text = "";
      socket.events = {
        onData: (bytes) => {
          text += new TextDecoder().decode(bytes);
          if (!text.includes("\r\n\r\n")) return;
          this.requests.push(text);
          text = "";
          reply(socket, this.requests.at(-1) ?? "");
        },
        onEnd: () => socket.end(),
      };
    });
  }
}

/** Answers with `text`, then does what `then` says. */
export function answer(text: string, then: "stay" | "close" | "reset" = "stay"): Reply {
  return (socket) => {
    socket.write(new TextEncoder().encode(text));
    if (then === "close") socket.end();
    if (then === "reset") socket.destroy();
  };
}
