import type { Ruleset } from "../nat/index.ts";
import { IPTABLES_STYLE } from "./iptables-style.ts";
import type { ProxyInput } from "./proxy-input.ts";
import { serviceSource } from "./proxy-objects.ts";
import { Rulebook } from "./rulebook.ts";

/**
 * The rules that kube-proxy in iptables mode would have written on its node, on an otherwise empty machine: those of
 * Kubernetes 1.34 (pkg/proxy/iptables/proxier.go), without the nfacct counters that most machines lack. Service ports come in
 * alphabetical order, where kube-proxy's own is that of a Go map.
 */
export function iptablesRules({ config, ...objects }: ProxyInput): Ruleset {
  return new Rulebook(serviceSource(objects), IPTABLES_STYLE, config).rulesFor(config);
}
