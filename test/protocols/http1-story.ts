import type { HttpEvent, HttpRequest, HttpResponse } from "../../src/protocols/index.ts";

/** A parser's events as lines of text; neighbouring pieces of a body or tunnel are joined, however they came. */
export function storyOf(events: readonly HttpEvent<HttpRequest | HttpResponse>[]): string[] {
  const lines: string[] = [];
  for (const event of events) {
    const last = lines.at(-1);
    if (event.kind !== "body" && event.kind !== "tunnel") {
      lines.push(describeEvent(event));
    } else if (last?.startsWith(`${event.kind} `)) {
      lines[lines.length - 1] = last + octets(event.bytes);
    } else {
      lines.push(`${event.kind} ${octets(event.bytes)}`);
    }
  }
  return lines;
}

function describeEvent(event: Exclude<HttpEvent<HttpRequest | HttpResponse>, { kind: "body" | "tunnel" }>): string {
  switch (event.kind) {
    case "head": {
      const waits = event.expectsContinue ? " waits" : "";
      return `head ${describeHead(event.head)} ${event.framing.kind} ${event.keepAlive ? "keep" : "close"}${waits}`;
    }
    case "interim":
      return `interim ${describeHead(event.head)}`;
    case "end":
      return `end${event.trailers.map(([name, value]) => ` ${name}=${value}`).join("")}`;
    case "error":
      return `error ${event.error.status} ${event.error.fault}`;
  }
}

function describeHead(head: HttpRequest | HttpResponse): string {
  return "method" in head
    ? `${head.method} ${head.target} ${head.version}`
    : `${head.version} ${head.status} "${head.reason}"`;
}

function octets(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
