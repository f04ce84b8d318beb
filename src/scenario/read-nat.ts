import { DEFAULT_NAT_SETTINGS } from "../nat/index.ts";
import type { RouterForm } from "./file-form.ts";
import type { ProblemList } from "./locator.ts";
import type { NatSpec } from "./model.ts";
import type { Path } from "./yaml-source.ts";

/** Reads a router's `nat`; `undefined` when it is wrong, which is reported, or not there. */
export function readNat(form: RouterForm, path: Path, problems: ProblemList): NatSpec | undefined {
  const { nat, interfaces } = form;
  if (nat === undefined) return undefined;
  const faults = new Map<string, string>();
  for (const side of ["inside", "outside"] as const) {
    const known = Object.keys(interfaces).join(", ");
    if (!Object.hasOwn(interfaces, nat[side]))
      faults.set(side, `the router has no interface "${nat[side]}"; it has ${known}`);
  }
  if (nat.inside === nat.outside) faults.set("outside", "inside and outside are the same interface; expected two");
  const outside = interfaces[nat.outside];
  const external = outside?.address ?? outside?.addresses?.[0];
  if (outside !== undefined && external === undefined) faults.set("outside", "the interface has no address to share");
  for (const [key, message] of faults) problems.report([...path, key], message);
  if (form.iptables !== undefined || form.cloudEdge === true)
    problems.report(path, "a router has either nat, or iptables and cloudEdge; leave out one of them");
  if (external === undefined || faults.size > 0) return undefined;
  return { ...DEFAULT_NAT_SETTINGS, ...nat, external: external.address };
}
