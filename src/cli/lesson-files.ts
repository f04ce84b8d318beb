import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Lesson, parseLesson } from "../lesson/index.ts";
import { ConfigError, suggestion } from "../scenario/index.ts";
import { readTextFile } from "./text-file.ts";

/** `docs/lessons/` beside `src/` or `dist/`. */
const DIRECTORY = fileURLToPath(new URL("../../docs/lessons/", import.meta.url));

/** The lessons, in the order in which they are taught. */
export function readLessons(): readonly Lesson[] {
  const names = readdirSync(DIRECTORY).filter((name) => /^\d+-.*\.md$/.test(name));
  return names.sort().map(readLesson);
}

/** The lesson of a name or a number. @throws ConfigError when there is none. */
export function findLesson(given: string): Lesson {
  const lessons = readLessons();
  const found = lessons.find(({ name, number }) => name === given || String(number) === given);
  if (found !== undefined) return found;
  const hint = suggestion(
    given,
    lessons.map(({ name }) => name),
  );
  const message = `there is no such lesson${hint}`;
  throw new ConfigError([{ file: `lesson ${given}`, message }]);
}

function readLesson(name: string): Lesson {
  const file = `${DIRECTORY}${name}`;
  const lesson = parseLesson(name, readTextFile(file));
  if ("message" in lesson) throw new ConfigError([{ file, ...lesson }]);
  return lesson;
}
