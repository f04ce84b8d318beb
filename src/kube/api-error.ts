/** Why the API server refused, in its own words for it. */
export type ApiErrorReason = "AlreadyExists" | "NotFound" | "Invalid" | "BadRequest" | "InternalError";

/** A refusal by the API server; `message` is the line that kubectl prints. */
export class ApiError extends Error {
  readonly reason: ApiErrorReason;

  constructor(reason: ApiErrorReason, message: string) {
    super(message);
    this.name = "ApiError";
    this.reason = reason;
  }
}

/** One field that is not as it has to be, in the API server's words. */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

export function alreadyExists(plural: string, name: string): ApiError {
  return new ApiError("AlreadyExists", `Error from server (AlreadyExists): ${plural} "${name}" already exists`);
}

export function notFound(plural: string, name: string): ApiError {
  return new ApiError("NotFound", `Error from server (NotFound): ${plural} "${name}" not found`);
}

export function badRequest(message: string): ApiError {
  return new ApiError("BadRequest", `Error from server (BadRequest): ${message}`);
}

/** The form kubectl has for this reason: one line for one field, a list for several. */
export function invalid(kind: string, name: string, errors: readonly FieldError[]): ApiError {
  const lines = errors.map((error) => `${error.path}: ${error.message}`);
  const text = lines.length === 1 ? lines[0] : lines.map((line) => `\n* ${line}`).join("");
  return new ApiError("Invalid", `The ${kind} "${name}" is invalid: ${text}`);
}

export function requiredValue(path: string, detail = ""): FieldError {
  return { path, message: `Required value${detail === "" ? "" : `: ${detail}`}` };
}

export function invalidValue(path: string, value: unknown, detail: string): FieldError {
  return { path, message: `Invalid value: ${goValue(value)}: ${detail}` };
}

export function forbidden(path: string, detail: string): FieldError {
  return { path, message: `Forbidden: ${detail}` };
}

export function duplicateValue(path: string, value: unknown): FieldError {
  return { path, message: `Duplicate value: ${goValue(value)}` };
}

export function unsupportedValue(path: string, value: unknown, supported: readonly string[]): FieldError {
  const words = supported.map((word) => `"${word}"`).join(", ");
  return { path, message: `Unsupported value: ${goValue(value)}: supported values: ${words}` };
}

/** Values as the API server prints them: texts quoted, lists and objects as Go writes them. */
function goValue(value: unknown): string {
  if (Array.isArray(value)) return `[]string{${value.map((item) => JSON.stringify(item)).join(", ")}}`;
  return JSON.stringify(value) ?? "null";
}
