import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ReportBoxKind, ReportData, ReportMoment } from "../explain/index.ts";
import { connectionClass } from "./connection-mark.tsx";
import { addressChanges, dropIn, entering, leaving } from "./passages.ts";
import type { Player } from "./player.ts";
import { type Drawing, type PlacedBox, type PlacedLink, type Point, pointOn, wayOf } from "./topology-layout.ts";
import { packetAt } from "./words.ts";

interface TopologyProps {
  readonly drawing: Drawing;
  readonly data: ReportData;
  readonly moment: ReportMoment | undefined;
  readonly player?: Player;
}

/** The network as a drawing, with the packet of the moment on its way. */
export function TopologyView({ drawing, data, moment, player }: TopologyProps): VNode {
  const figure = useRef<HTMLElement>(null);
  const way = moment === undefined ? [] : wayOf(drawing, moment);
  const color = connectionClass(moment && packetAt(data, moment)?.connection);
  const middle = way[Math.floor(way.length / 2)]?.x;
  useEffect(() => {
    const { current } = figure;
    if (current === null || middle === undefined || current.scrollWidth <= current.clientWidth) return;
    current.scrollLeft = (middle / drawing.width) * current.scrollWidth - current.clientWidth / 2;
  }, [drawing, middle]);
  return (
    <figure class="topology" ref={figure}>
      <svg
        viewBox={`0 0 ${drawing.width} ${drawing.height}`}
        style={{ "--natural": `${drawing.width}px` }}
        role="img"
        aria-label={`The network: ${drawing.order.join(", ")}`}
      >
        {drawing.links.map((link) => (
          <Cable key={`${link.from} ${link.to}`} link={link} />
        ))}
        {way.length > 1 && <polyline class={`way ${color}`} points={pointsText(way)} />}
        {[...drawing.boxes.values()].map((placed) => (
          <Box key={placed.box.name} placed={placed} states={statesOf(placed, data, moment)} />
        ))}
        {moment !== undefined && player !== undefined && (
          <PacketDot way={way} player={player} color={color} lost={moment.to === undefined} />
        )}
      </svg>
    </figure>
  );
}

function Cable({ link }: { readonly link: PlacedLink }): VNode {
  return <polyline class="cable" points={pointsText(link.points)} />;
}

function pointsText(points: readonly Point[]): string {
  return points.map(({ x, y }) => `${x},${y}`).join(" ");
}

/** Classes of a box that takes part in the moment. */
function statesOf({ box }: PlacedBox, data: ReportData, moment: ReportMoment | undefined): string {
  if (moment === undefined) return "";
  const parts = [moment.leaves === 0 ? leaving(data, moment)?.hop : undefined, entering(data, moment)?.hop];
  const hop = parts.find((each) => each?.box === box.name);
  const isPart = [moment.from, moment.to, moment.via].includes(box.name);
  const isChanging = hop !== undefined && addressChanges(hop).length > 0;
  return `${isPart ? "part" : ""} ${isChanging ? "changing" : ""} ${dropIn(hop) === undefined ? "" : "dropping"}`;
}

const SIGNS: Readonly<Record<ReportBoxKind, string>> = {
  host: "M2 3h12v8H2zM6 14h4",
  router: "M2 8h12M11 5l3 3-3 3M5 5L2 8l3 3",
  balancer: "M2 8h5M7 8l6-5M7 8l6 5M7 8h7",
  node: "M3 2h10v5H3zM3 9h10v5H3zM5 4.5h2M5 11.5h2",
  pod: "M8 1.5l6 3.2v6.6l-6 3.2-6-3.2V4.7zM2 4.7l6 3.3 6-3.3M8 8v6.5",
  network: "",
};

const KIND_NAMES: Readonly<Record<ReportBoxKind, string>> = {
  host: "host",
  router: "router",
  balancer: "load balancer",
  node: "Kubernetes node",
  pod: "Pod",
  network: "network",
};

function Box({ placed, states }: { readonly placed: PlacedBox; readonly states: string }): VNode {
  const { box, x, y, width, height, lines, address } = placed;
  const details = box.interfaces.map(
    ({ name, mac, addresses }) => `${name}: ${addresses.join(", ") || "no address"}, ${mac}`,
  );
  if (box.kind === "network")
    return (
      <g class={`box network ${states}`} transform={`translate(${x} ${y})`}>
        <title>{`${box.name}, network`}</title>
        <rect x={-width / 2} y={-height / 2} width={width} height={height} rx={width / 2} />
        <text transform="rotate(-90)" dy="0.34em">
          {box.name}
        </text>
      </g>
    );
  const top = -height / 2 + 17;
  return (
    <g class={`box ${box.kind} ${states}`} transform={`translate(${x} ${y})`}>
      <title>{[`${box.name}, ${KIND_NAMES[box.kind]}`, ...details].join("\n")}</title>
      <rect x={-width / 2} y={-height / 2} width={width} height={height} rx={7} />
      <path class="sign" d={SIGNS[box.kind]} transform={`translate(${-width / 2 + 9} ${-8})`} />
      {lines.map((line, index) => (
        <text key={line} x={-width / 2 + 33} y={top + index * 15}>
          {line}
        </text>
      ))}
      <text class="address" x={-width / 2 + 33} y={top + lines.length * 15}>
        {address}
      </text>
    </g>
  );
}

interface DotProps {
  readonly way: readonly Point[];
  readonly player: Player;
  readonly color: string;
  readonly lost: boolean;
}

/** The packet. It is moved without drawing the page anew. */
function PacketDot({ way, player, color, lost }: DotProps): VNode {
  const dot = useRef<SVGGElement>(null);
  useEffect(() => {
    const move = (share: number): void => {
      const point = pointOn(way, share);
      if (point !== undefined) dot.current?.setAttribute("transform", `translate(${point.x} ${point.y})`);
    };
    move(player.isPlaying ? 0 : 1);
    return player.follow(move);
  });
  return (
    <g ref={dot} class={`packet ${color}`}>
      <rect x={-10} y={-7} width={20} height={14} rx={3} />
      <path d={lost ? "M-4-4L4 4M4-4L-4 4" : "M-10-5L0 2L10-5"} />
    </g>
  );
}
