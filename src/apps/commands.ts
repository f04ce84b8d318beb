import { curl } from "./curl/curl.ts";
import { dig } from "./dig.ts";
import { ip } from "./ip-command.ts";
import { netcat } from "./netcat.ts";
import { nslookup } from "./nslookup.ts";
import { ping } from "./ping.ts";
import type { Program } from "./process.ts";
import { cat, echo, env, hostname, refuse, sleep, succeed } from "./small-commands.ts";
import { stunClient } from "./stun-client.ts";
import { traceroute } from "./traceroute.ts";
import { wget } from "./wget.ts";

/** The programs every host has, by the name they are called with. */
export const COMMANDS: ReadonlyMap<string, Program> = new Map<string, Program>([
  ["cat", cat],
  ["curl", curl],
  ["dig", dig],
  ["echo", echo],
  ["env", env],
  ["false", refuse],
  ["hostname", hostname],
  ["ip", ip],
  ["nc", netcat],
  ["nslookup", nslookup],
  ["ping", ping],
  ["sleep", sleep],
  ["stunclient", stunClient],
  ["traceroute", traceroute],
  ["true", succeed],
  ["wget", wget],
]);
