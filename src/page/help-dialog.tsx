import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { KEYS } from "./keys.ts";

/** How to read the page, and its keys. */
export function HelpDialog({ onClose }: { readonly onClose: () => void }): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="help-title" onClose={onClose}>
      <h2 id="help-title">How to read this page</h2>
      <p>
        Each line of the ladder is one packet on its way from one box to the next; time goes down. A{" "}
        <span class="tag change">◆</span> stands where a box rewrites an address or port: choose the line to read which
        rule did it, and why. The next line of that packet shows the new address in the same colour.{" "}
        <span class="tag drop">✕</span> stands where a packet ends before its time.
      </p>
      <p>
        Colours and numbers tell connections apart; answers have the colour of what they answer. Connection tracking is
        what turns answers back: its tables are shown as they are at the moment that you have chosen.
      </p>
      <table class="keys">
        <caption>Keys</caption>
        <tbody>
          {KEYS.map(([keys, what]) => (
            <tr key={keys}>
              <th scope="row">
                <kbd>{keys}</kbd>
              </th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <form method="dialog">
        <button type="submit" class="primary">
          Close
        </button>
      </form>
    </dialog>
  );
}
