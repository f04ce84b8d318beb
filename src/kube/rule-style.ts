import type { PortWriter } from "./port-rules.ts";
import type { KubeProxyConfig } from "./proxy-config.ts";
import type { RuleSheet } from "./rule-sheet.ts";

/** How a mode of kube-proxy writes its rules: what no Service changes, and what each service port brings. */
export interface RuleStyle {
  readonly writer: PortWriter;
  /** Rules in front of those of service ports; opens all chains to which these add. */
  writeHead(sheet: RuleSheet, config: KubeProxyConfig): void;
  /** Rules behind them. */
  writeTail(sheet: RuleSheet, config: KubeProxyConfig): void;
  /** What head and tail depend on beside the flags: text that is the same for nodes for which they are. */
  nodeKey(config: KubeProxyConfig): string;
  /** With more endpoints than this, comments in front of each are saved (largeClusterEndpointsThreshold). */
  readonly largeCluster: number;
}
