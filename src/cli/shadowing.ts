import { type Cidr, contains, formatCidr, parseCidr, parseInterfaceAddress, subnetOf } from "../netstack/index.ts";
import { ip, type KernelPlace } from "../tun/index.ts";

/** Ranges that the machine has a use for already and that the scenario's would take from it, in words. */
export function shadowedRanges(place: KernelPlace): string[] {
  return overlaps(rangesOf(place), usedRanges(ip(["-j", "-4", "route", "show", "table", "all"])));
}

/** What the kernel would send to the emulated network. */
function rangesOf(place: KernelPlace): Cidr[] {
  const addresses = place.interfaces.flatMap((each) => each.addresses);
  const own = addresses.flatMap((text) => {
    const address = parseInterfaceAddress(text);
    return address === undefined ? [] : [subnetOf(address.address, address.prefixLength)];
  });
  return [...own, ...place.routes.flatMap(({ to }) => parseCidr(to) ?? [])];
}

interface UsedRange {
  readonly range: Cidr;
  readonly device: string;
}

/** The machine's routes from what `ip -j route` prints, default routes left out. */
export function usedRanges(json: string): UsedRange[] {
  const routes = JSON.parse(json === "" ? "[]" : json) as readonly { readonly dst?: string; readonly dev?: string }[];
  return routes.flatMap(({ dst = "default", dev = "" }) => {
    const range = parseCidr(dst.includes("/") ? dst : `${dst}/32`);
    return range === undefined || range.prefixLength === 0 ? [] : [{ range, device: dev }];
  });
}

/** Each range that has something in common with a used one. */
export function overlaps(wanted: readonly Cidr[], used: readonly UsedRange[]): string[] {
  const found = wanted.flatMap((range) => {
    const other = used.find((each) => contains(range, each.range.network) || contains(each.range, range.network));
    return other === undefined
      ? []
      : [`${formatCidr(range)} (the machine has ${formatCidr(other.range)}${other.device && ` on ${other.device}`})`];
  });
  return [...new Set(found)];
}
