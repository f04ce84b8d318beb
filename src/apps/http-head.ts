import { type HttpResponse, header, octetsToUtf8 } from "../protocols/index.ts";

/** The lines of a response's head as clients print them, without the empty one. */
export function headLines(head: HttpResponse): string[] {
  const reason = head.reason === "" ? "" : ` ${octetsToUtf8(head.reason)}`;
  const fields = head.headers.map(([name, value]) => `${name}: ${octetsToUtf8(value)}`);
  return [`HTTP/${head.version} ${head.status}${reason}`, ...fields];
}

/** Where a response sends the client on to. */
export function redirectTarget(head: HttpResponse): string | undefined {
  const location = header(head.headers, "location");
  return head.status >= 300 && head.status < 400 && location !== undefined ? octetsToUtf8(location) : undefined;
}
