import { Graph, layout } from "@dagrejs/dagre";
import type { ReportBox, ReportMoment, ReportTopology } from "../explain/index.ts";
import { wrapName } from "./words.ts";

/** A box or network in the drawing; `x` and `y` are its middle. */
export interface PlacedBox {
  readonly box: ReportBox;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly lines: readonly string[];
  readonly address: string;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface PlacedLink {
  readonly from: string;
  readonly to: string;
  readonly points: readonly Point[];
}

export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly boxes: ReadonlyMap<string, PlacedBox>;
  readonly links: readonly PlacedLink[];
  /** Names of boxes from left to right. */
  readonly order: readonly string[];
}

const NETWORK_WIDTH = 30;
const MARGIN = 14;
/** Half a packet. */
const PACKET_ROOM = 11;
const NAME_WIDTH = 16;

/** Lays a network out from left to right: who asks on the left, Pods on the right, networks as bars between them. */
export function layOut(topology: ReportTopology): Drawing {
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 16, ranksep: 44, marginx: MARGIN, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  const sizes = new Map(topology.boxes.map((box) => [box.name, sizeOf(box)]));
  for (const { name } of topology.boxes) graph.setNode(name, { ...sizes.get(name) });
  const depth = depthsOf(topology);
  for (const { from, to } of topology.links) {
    const isForward = (depth.get(from) ?? 0) <= (depth.get(to) ?? 0);
    graph.setEdge(isForward ? from : to, isForward ? to : from);
  }
  layout(graph);
  const boxes = new Map<string, PlacedBox>();
  for (const box of topology.boxes) {
    const { x, y } = graph.node(box.name) as Point;
    boxes.set(box.name, { box, x, y, ...(sizes.get(box.name) ?? sizeOf(box)) });
  }
  for (const box of topology.boxes) if (box.kind === "network") stretch(box, topology, boxes);
  const links = topology.links.map(({ from, to }) => ({ from, to, points: pathBetween(boxes, from, to) }));
  const order = [...boxes.values()].filter(({ box }) => box.kind !== "network").sort((a, b) => a.x - b.x || a.y - b.y);
  return { ...extent(boxes), boxes, links, order: order.map(({ box }) => box.name) };
}

function sizeOf(box: ReportBox): Pick<PlacedBox, "width" | "height" | "lines" | "address"> {
  if (box.kind === "network") return { width: NETWORK_WIDTH, height: 44, lines: [box.name], address: "" };
  const lines = wrapName(box.name, NAME_WIDTH);
  const own = box.interfaces.flatMap(({ addresses }) => addresses)[0]?.replace(/\/\d+$/, "") ?? "";
  const longest = Math.max(...lines.map(({ length }) => length * 8.3), own.length * 7.1, 50);
  return { width: longest + 44, height: 30 + lines.length * 15, lines, address: own };
}

/** How many cables lie between each box and the first host. */
function depthsOf({ boxes, links }: ReportTopology): ReadonlyMap<string, number> {
  const start = boxes.find(({ kind }) => kind === "host") ?? boxes.find(({ kind }) => kind !== "network");
  const depths = new Map<string, number>();
  let edge = start === undefined ? [] : [start.name];
  for (let depth = 0; edge.length > 0; depth++) {
    for (const name of edge) depths.set(name, depth);
    const next = links.flatMap(({ from, to }) => (edge.includes(from) ? [to] : edge.includes(to) ? [from] : []));
    edge = [...new Set(next)].filter((name) => !depths.has(name));
  }
  return depths;
}

/** A network reaches as far as what is plugged into it. */
function stretch(box: ReportBox, { links }: ReportTopology, boxes: Map<string, PlacedBox>): void {
  const placed = boxes.get(box.name);
  const ends = links.filter(({ to }) => to === box.name).flatMap(({ from }) => boxes.get(from)?.y ?? []);
  if (placed === undefined || ends.length === 0) return;
  const label = box.name.length * 7 + 24;
  const [top, bottom] = [Math.min(...ends) - 18, Math.max(...ends) + 18];
  const height = Math.max(bottom - top, label);
  boxes.set(box.name, { ...placed, y: (top + bottom) / 2, height });
}

/** What a bar has grown beyond the drawing's edge is inside again. */
function extent(boxes: Map<string, PlacedBox>): { readonly width: number; readonly height: number } {
  const all = [...boxes.values()];
  const top = Math.min(0, ...all.map(({ y, height }) => y - height / 2 - MARGIN));
  for (const placed of all) boxes.set(placed.box.name, { ...placed, y: placed.y - top });
  return {
    width: Math.max(0, ...all.map(({ x, width }) => x + width / 2)) + MARGIN,
    height: Math.max(0, ...all.map(({ y, height }) => y - top + height / 2)) + MARGIN,
  };
}

function pathBetween(boxes: ReadonlyMap<string, PlacedBox>, from: string, to: string): Point[] {
  const [one, other] = [boxes.get(from), boxes.get(to)];
  if (one === undefined || other === undefined) return [];
  if (other.box.kind === "network") return [one, { x: other.x, y: one.y }];
  return one.box.kind === "network" ? [{ x: one.x, y: other.y }, other] : [one, other];
}

/** The way of a moment's packet through the drawing. */
export function wayOf(drawing: Drawing, { from, to, via }: ReportMoment): Point[] {
  const start = drawing.boxes.get(from);
  if (start === undefined) return [];
  if (to === undefined || to === from) return [{ x: start.x, y: start.y - start.height / 2 }];
  const way =
    via === undefined
      ? pathBetween(drawing.boxes, from, to)
      : [...pathBetween(drawing.boxes, from, via), ...pathBetween(drawing.boxes, via, to)];
  const end = drawing.boxes.get(to);
  const [second, last] = [way[1], way.at(-2)];
  if (second === undefined || last === undefined || end === undefined) return way;
  return [borderOf(start, second), ...way.slice(1, -1), borderOf(end, last)];
}

/** Where the line from a box's middle to a point leaves the box: a packet does not stand on its name. */
function borderOf({ x, y, width, height }: PlacedBox, towards: Point): Point {
  const [dx, dy] = [towards.x - x, towards.y - y];
  const share = Math.min(
    dx === 0 ? 1 : (width / 2 + PACKET_ROOM) / Math.abs(dx),
    dy === 0 ? 1 : (height / 2 + PACKET_ROOM) / Math.abs(dy),
    1,
  );
  return { x: x + dx * share, y: y + dy * share };
}

/** The point of a way that lies at a share of its length. */
export function pointOn(way: readonly Point[], share: number): Point | undefined {
  const lengths = way.slice(1).map((point, index) => distance(way[index] ?? point, point));
  let left = lengths.reduce((sum, length) => sum + length, 0) * share;
  for (const [index, length] of lengths.entries()) {
    const [one, other] = [way[index], way[index + 1]];
    if (one === undefined || other === undefined) return undefined;
    if (left <= length && length > 0) {
      const part = left / length;
      return { x: one.x + (other.x - one.x) * part, y: one.y + (other.y - one.y) * part };
    }
    left -= length;
  }
  return way.at(-1);
}

function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}
