/** Why a message was refused. */
export type HttpFault =
  | "bad-start-line"
  | "start-line-too-long"
  | "unsupported-version"
  | "bad-header"
  | "folded-header"
  | "header-section-too-large"
  | "bad-host"
  | "bad-content-length"
  | "bad-transfer-encoding"
  | "length-and-transfer-encoding"
  | "unsupported-transfer-coding"
  | "body-too-large"
  | "bad-chunk"
  | "chunk-line-too-long"
  | "unexpected-response"
  | "no-response"
  | "incomplete";

/** A refused message: the reason, and the status to answer (a request's refusal) or to report upstream (a response's). */
export interface HttpError {
  readonly status: number;
  readonly fault: HttpFault;
}

/** The statuses that are not 400: RFC 9110 §15, RFC 6585 §5. */
const REQUEST_STATUS: { readonly [fault in HttpFault]?: number } = {
  "start-line-too-long": 414,
  "unsupported-version": 505,
  "header-section-too-large": 431,
  "unsupported-transfer-coding": 501,
  "body-too-large": 413,
};

/** The error a server answers to a request with this fault. */
export function requestError(fault: HttpFault): HttpError {
  return { status: REQUEST_STATUS[fault] ?? 400, fault };
}

/** The error a gateway reports for a response with this fault (RFC 9110 §15.6.3). */
export function responseError(fault: HttpFault): HttpError {
  return { status: 502, fault };
}
