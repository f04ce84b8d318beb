import type { VNode } from "preact";
import type { JourneyHop, ReportData, ReportMoment, ReportPacket } from "../explain/index.ts";
import { ConnectionMark } from "./connection-mark.tsx";
import { addressChanges, dropIn, entering, leaving, targetName } from "./passages.ts";
import { describeMoment } from "./rows.ts";
import { frameAt, packetAt, whatAt } from "./words.ts";

interface MomentLineProps {
  readonly data: ReportData;
  readonly moment: ReportMoment | undefined;
}

/** The moment at hand in a sentence, which is also what a screen reader is told. */
export function MomentLine({ data, moment }: MomentLineProps): VNode {
  if (moment === undefined)
    return (
      <p class="moment" role="status">
        Nothing goes over a wire here.
      </p>
    );
  const frame = frameAt(data, moment);
  const [left, entered] = [moment.leaves === 0 ? leaving(data, moment)?.hop : undefined, entering(data, moment)?.hop];
  const direction = packetAt(data, moment)?.direction;
  const drop = dropIn(entered) ?? (entered === undefined ? dropIn(leaving(data, moment)?.hop) : undefined);
  return (
    <div class="moment">
      <p class="spoken" role="status" aria-live="polite" aria-atomic="true">
        {describeMoment(data, moment)}
      </p>
      <div aria-hidden="true">
        <p class="moment-what">
          <ConnectionMark connection={packetAt(data, moment)?.connection} />
          <b>{whatAt(data, moment)}</b>{" "}
          <span class="quiet">
            {moment.from} → {moment.to ?? "nowhere"}
          </span>{" "}
          {frame !== undefined && (
            <code>
              {frame.source} → {frame.destination}
            </code>
          )}
        </p>
        <p class="moment-done">
          {[left, entered].map((hop) =>
            hop === undefined ? null : <Done key={hop.box} hop={hop} direction={direction} />,
          )}
          {drop !== undefined && <span class="tag drop">✕ ends here: {drop.reason}</span>}
          {moment.lost !== undefined && <span class="tag drop">✕ lost on the way: {moment.lost}</span>}
        </p>
      </div>
    </div>
  );
}

interface DoneProps {
  readonly hop: JourneyHop;
  readonly direction: ReportPacket["direction"];
}

function Done({ hop, direction }: DoneProps): VNode | null {
  const changes = addressChanges(hop);
  if (changes.length === 0) return null;
  const said = changes.map(
    (change) => `${change.quoted ? "quoted " : ""}${change.side} → ${change.to} (${targetName(change, direction)})`,
  );
  return (
    <span class="tag change">
      ◆ {hop.box}: {said.join(", ")}
    </span>
  );
}
