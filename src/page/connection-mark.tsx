import type { VNode } from "preact";

/** Colours that differ well; a connection's number tells it apart where they repeat. */
const COLOURS = 6;

/** The class that gives a connection's parts its colour. */
export function connectionClass(connection: number | undefined): string {
  return connection === undefined ? "c-none" : `c${connection % COLOURS}`;
}

/** A connection's number in its colour. */
export function ConnectionMark({ connection }: { readonly connection: number | undefined }): VNode | null {
  if (connection === undefined) return null;
  return <span class={`mark ${connectionClass(connection)}`}>{connection + 1}</span>;
}
