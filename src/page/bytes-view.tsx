import type { VNode } from "preact";
import type { ByteRange, HeaderRow } from "./header-rows.ts";

interface BytesViewProps {
  readonly title: string;
  readonly bytes: Uint8Array;
  /** Of the whole frame. */
  readonly length: number;
  readonly changed: ReadonlyMap<number, HeaderRow["change"]>;
  /** The field that is pointed at. */
  readonly pointed: ByteRange | undefined;
}

const ROW = 16;

/** A frame's bytes in hexadecimal, what changed marked. */
export function BytesView({ title, bytes, length, changed, pointed }: BytesViewProps): VNode {
  const rows = Array.from({ length: Math.ceil(bytes.length / ROW) }, (_, row) => row * ROW);
  return (
    <figure class="bytes">
      <figcaption>
        {title}, {length} bytes{length > bytes.length ? `, the first ${bytes.length} shown` : ""}
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and has to do so from the keyboard */}
      <pre class="scrolls" tabIndex={0}>
        {rows.map((from) => (
          <Line key={from} from={from} bytes={bytes} changed={changed} pointed={pointed} />
        ))}
      </pre>
    </figure>
  );
}

type LineProps = Pick<BytesViewProps, "bytes" | "changed" | "pointed"> & { readonly from: number };

function Line({ from, bytes, changed, pointed }: LineProps): VNode {
  const line = [...bytes.subarray(from, from + ROW)];
  const pad = "   ".repeat(ROW - line.length) + (line.length <= 8 ? " " : "");
  const text = line.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
  return (
    <>
      <span class="offset">{from.toString(16).padStart(4, "0")} </span>
      {line.map((byte, index) => (
        <span key={index} class={`byte ${classOf(from + index, changed, pointed)}`}>
          {`${index === 8 ? "  " : " "}${byte.toString(16).padStart(2, "0")}`}
        </span>
      ))}
      <span class="text">{`${pad}  ${text}\n`}</span>
    </>
  );
}

function classOf(at: number, changed: BytesViewProps["changed"], pointed: ByteRange | undefined): string {
  const isPointed = pointed !== undefined && at >= pointed.at && at < pointed.at + pointed.length;
  return `${changed.get(at) ?? ""} ${isPointed ? "pointed" : ""}`;
}
