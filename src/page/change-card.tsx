import type { VNode } from "preact";
import type { Change, PathStep, ReportPacket, RuleText } from "../explain/index.ts";
import { type dropIn, targetName } from "./passages.ts";

interface ChangeCardProps {
  readonly change: Change;
  /** The rules are shown without being asked for, as on paper. */
  readonly isOpen?: boolean;
  readonly direction: ReportPacket["direction"];
}

/** A change: what, where, by which rule, why, and what would have prevented it. */
export function ChangeCard({ change, direction, isOpen = false }: ChangeCardProps): VNode {
  const { hook, side, from, to, quoted, path, rule, because, detail, unless } = change;
  const isNat = side === "source" || side === "destination";
  return (
    <article class={`card ${isNat ? "change" : "aside"}`}>
      <p class="card-head">
        <b class="hook">{hook}</b> {quoted ? "in the quoted packet, " : ""}
        {side} <code>{from}</code> → <code class={isNat ? "changed" : ""}>{to}</code>{" "}
        <b class="target">{targetName(change, direction)}</b>
      </p>
      <p>{because}</p>
      {detail !== undefined && <p>{detail}</p>}
      <Chains path={path} rule={rule} isOpen={isOpen || path.length <= 3} />
      <Unless unless={unless} />
    </article>
  );
}

/** A packet's end before its time. */
export function DropCard({ drop }: { readonly drop: NonNullable<ReturnType<typeof dropIn>> }): VNode {
  return (
    <article class="card drop">
      <p class="card-head">
        <b>✕ It ends here:</b> {drop.reason}
      </p>
      <p>{drop.because}</p>
      <Chains path={drop.path} rule={drop.rule} isOpen={true} />
      <Unless unless={drop.unless} />
    </article>
  );
}

interface ChainsProps {
  readonly path: readonly PathStep[];
  readonly rule: RuleText | undefined;
  readonly isOpen: boolean;
}

/** The chains that led to the rule, each with the rule that led on. */
function Chains({ path, rule, isOpen }: ChainsProps): VNode | null {
  if (path.length === 0) return rule === undefined ? null : <pre class="rule">{`-A ${rule.chain} ${rule.text}`}</pre>;
  return (
    <details class="chains" open={isOpen}>
      <summary>
        <span class="spoken">The rules: </span>
        {path.map(({ chain }, index) => (
          <span key={`${chain} ${index}`} class="chain">
            {index > 0 && <span aria-hidden="true"> → </span>}
            {chain}
          </span>
        ))}
      </summary>
      <ol>
        {path.map(({ chain, number, text, matched }, index) => (
          <li key={`${chain} ${index}`}>
            <b>
              {rule?.table} {chain}
            </b>{" "}
            <span class="quiet">rule {number}</span>
            <pre class="rule">{text}</pre>
            {matched.length > 0 && <p class="quiet">matched: {matched.join("; ")}</p>}
          </li>
        ))}
      </ol>
    </details>
  );
}

/** What would have led elsewhere. */
export function Unless({ unless }: { readonly unless: readonly string[] }): VNode | null {
  if (unless.length === 0) return null;
  return (
    <div class="unless">
      <p>It would have been otherwise, if</p>
      <ul>
        {unless.map((each) => (
          <li key={each}>{each}</li>
        ))}
      </ul>
    </div>
  );
}
