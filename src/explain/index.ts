/**
 * Readers of the event stream: what happened to packets, told for people.
 *
 * Everything that happens to a packet is one `PacketEvent` (src/netstack/events.ts). A reader turns the stream into an answer; it changes nothing
 * and knows of the network only what the events say.
 *
 * ```ts
 * network.events.read((event) => print(describeEvent(event)));
 * // 0.000154000 kubernetes-node-cx31 #3 matched: nat KUBE-SERVICES rule 2 (…): KUBE-NODEPORTS
 * ```
 */

export { describeEvent } from "./trace.ts";
