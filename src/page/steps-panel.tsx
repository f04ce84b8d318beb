import type { VNode } from "preact";
import type { ReportData, ReportStep } from "../explain/index.ts";

interface StepsPanelProps {
  readonly data: ReportData;
  readonly onSelect: (index: number) => void;
}

/** What was done, and what was printed. */
export function StepsPanel({ data, onSelect }: StepsPanelProps): VNode {
  const first = ({ began }: ReportStep, end: number): number =>
    data.moments.findIndex(
      ({ time, packet }) => time >= began && time < end && data.packets[packet]?.connection !== undefined,
    );
  return (
    <>
      <h2>What was done</h2>
      {data.steps.map((step, index) => {
        const moment = first(step, data.steps[index + 1]?.began ?? Number.POSITIVE_INFINITY);
        return (
          <section class="step" key={step.number}>
            <h3>
              {step.number}. {step.name === "" ? step.shown : step.name}
            </h3>
            <StepOutput step={step} />
            {moment >= 0 && (
              <button type="button" onClick={() => onSelect(moment)}>
                Go there
              </button>
            )}
          </section>
        );
      })}
    </>
  );
}

/** A step's command as typed, and what came back. */
export function StepOutput({ step }: { readonly step: ReportStep }): VNode {
  const output = step.commands.map(({ stdout, stderr }) => ended(stdout) + ended(stderr)).join("");
  const failed = step.commands.filter(({ exitCode }) => exitCode !== 0);
  const unmet = step.commands.flatMap((command) => command.unmet);
  return (
    <>
      <pre class="terminal">
        <b>{`${step.on === "" ? "" : step.on}$ ${step.shown}\n`}</b>
        {output}
        {failed
          .map(({ node, exitCode }) => `# ${node === undefined ? "" : `${node}: `}exit code ${exitCode}\n`)
          .join("")}
      </pre>
      {unmet.map((each) => (
        <p class="card drop" key={each}>
          Not as expected: {each}
        </p>
      ))}
    </>
  );
}

function ended(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
