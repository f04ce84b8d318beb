import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { ConfigError } from "../scenario/index.ts";
import { describeFileError } from "./file-error.ts";
import type { CommandIo } from "./io.ts";

/** Longest file that is read as text; a capture or a program given by mistake is refused before it is read. */
const LONGEST_FILE = 64 * 1024 * 1024;

/** Reads a UTF-8 text file. @throws ConfigError that says why it cannot be, in one line. */
export function readTextFile(file: string): string {
  const refuse = (message: string): never => {
    throw new ConfigError([{ file, message }]);
  };
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (error) {
    return refuse(describeFileError(error));
  }
  try {
    const stat = fstatSync(descriptor);
    if (stat.isDirectory()) refuse("a directory; expected a file");
    if (stat.size > LONGEST_FILE) refuse(`too large: ${stat.size} bytes, expected at most ${LONGEST_FILE}`);
    return decodeText(file, readFileSync(descriptor));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    return refuse(describeFileError(error));
  } finally {
    closeSync(descriptor);
  }
}

/** Reads a file, or standard input where `file` is `-`. @throws ConfigError that says why it cannot be. */
export function readTextOrInput(file: string, io: CommandIo): string {
  if (file !== "-") return readTextFile(file);
  try {
    return decodeText(inputName(file), io.readInput());
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError([{ file: inputName(file), message: describeFileError(error) }]);
  }
}

/** The file's name in messages. */
export function inputName(file: string): string {
  return file === "-" ? "standard input" : file;
}

/** Bytes as UTF-8 text. @throws ConfigError when they are something else. */
export function decodeText(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError([{ file, message: "not a text file; expected UTF-8" }]);
  }
}
