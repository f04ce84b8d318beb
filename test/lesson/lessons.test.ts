import { describe, expect, it } from "vitest";
import { commandsOf, questionsOf } from "../../src/lesson/index.ts";
import { isAsShown, LESSON_FILES, lessonText, readLesson, refreshLesson, walkLesson } from "./lesson-checks.ts";

/** With UPDATE_LESSONS=1 the outputs in the lessons are written anew. */
const UPDATES = process.env.UPDATE_LESSONS !== undefined;

describe.each(LESSON_FILES)("docs/lessons/%s", (file) => {
  it("shows what its commands print, and its answers are what a run says", async () => {
    const { shown, wrongAnswers } = await walkLesson(file);
    const stale = shown.filter((each) => !isAsShown(each));
    if (UPDATES) expect(refreshLesson(file, stale)).toEqual([]);
    else expect(stale.map(({ where, actual }) => `${where}\n${actual}`)).toEqual([]);
    expect(wrongAnswers).toEqual([]);
  });

  it("has commands, filters for Wireshark, questions and an exercise", () => {
    const lesson = readLesson(file);
    const kinds = lesson.blocks.map(({ kind }) => kind);
    expect(commandsOf(lesson).length).toBeGreaterThan(1);
    expect(kinds).toContain("packets");
    expect(kinds).toContain("verbatim");
    const questions = questionsOf(lesson);
    expect(questions.map(({ number }) => number)).toEqual(questions.map((_, index) => index + 1));
    expect(questions.length).toBeGreaterThanOrEqual(3);
    expect(questions.length).toBeLessThanOrEqual(5);
    expect(lessonText(file)).toMatch(/^## You will understand$/m);
    expect(lessonText(file)).toMatch(/^## Exercise$/m);
  });

  it("has its number in its title and leads on to lessons that are there", () => {
    const { number } = readLesson(file);
    expect(lessonText(file)).toMatch(new RegExp(`^# ${number}\\. `));
    const links = [...lessonText(file).matchAll(/\]\((\d[\w-]*\.md)\)/g)].map((match) => match[1]);
    expect(links.filter((link) => !LESSON_FILES.includes(link ?? ""))).toEqual([]);
  });
});
