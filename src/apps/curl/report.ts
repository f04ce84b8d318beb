import { type HttpHeaders, type HttpResponse, header, octetsToUtf8 } from "../../protocols/index.ts";
import { between, type Duration, nanoseconds, type Time } from "../../sim/index.ts";

const ZERO = nanoseconds(0);

/** Lengths of time since a transfer began; zero for what was not reached. */
export interface TransferTimes {
  nameLookup: Duration;
  connect: Duration;
  preTransfer: Duration;
  startTransfer: Duration;
  redirect: Duration;
  total: Duration;
}

/** An address and port as printed. */
export interface ReportedEndpoint {
  readonly address: string;
  readonly port: number;
}

/** What is known of one URL's transfer, for `--write-out`. Redirects belong to the transfer they began in. */
export class TransferReport {
  readonly typedUrl: string;
  readonly urlNumber: number;
  readonly began: Time;
  readonly times: TransferTimes = {
    nameLookup: ZERO,
    connect: ZERO,
    preTransfer: ZERO,
    startTransfer: ZERO,
    redirect: ZERO,
    total: ZERO,
  };
  status = 0;
  httpVersion = "0";
  method = "GET";
  effectiveUrl = "";
  redirectUrl = "";
  remote: ReportedEndpoint | undefined;
  local: ReportedEndpoint | undefined;
  connects = 0;
  redirects = 0;
  downloaded = 0;
  uploaded = 0;
  requestBytes = 0;
  headerBytes = 0;
  headerCount = 0;
  exitCode = 0;
  errorText = "";
  #headers: HttpHeaders = [];

  constructor(typedUrl: string, urlNumber: number, began: Time) {
    this.typedUrl = typedUrl;
    this.urlNumber = urlNumber;
    this.began = began;
  }

  /** Notes when something was reached. */
  mark(what: keyof TransferTimes, now: Time): void {
    this.times[what] = between(this.began, now);
  }

  /** Takes in a response's head; `lines` is how it was printed. */
  noteHead(head: HttpResponse, lines: readonly string[]): void {
    this.status = head.status;
    this.httpVersion = head.version;
    this.#headers = head.headers;
    this.headerCount = head.headers.length;
    this.headerBytes += lines.reduce((sum, line) => sum + line.length + 2, 2);
  }

  /** A field of the last response. */
  responseField(name: string): string | undefined {
    const value = header(this.#headers, name);
    return value === undefined ? undefined : octetsToUtf8(value);
  }
}
