import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asUser, isRoot, missingFor, natscope, run } from "./live-shell.ts";
import { bodyHash, type RealServer, realServer } from "./real-server.ts";

/*
 * What programs of the real world do to a network, and some of it on purpose. Everything happens in the network namespace of `natscope shell`.
 * NATSCOPE_LONG=1 does it all at full length: bodies of 1 GiB, 30 s of wrk, more of everything.
 */

const isLong = process.env.NATSCOPE_LONG === "1";
const missing = missingFor("test/system/live.test.ts", ["curl", "wrk", "hping3", "nmap", "python3"]);
const JUNK = join(import.meta.dirname, "junk-frames.py");
const LONGEST = 600_000;

/** By the way that an ordinary user has, and by the one that root has. */
const ways: [string, readonly string[], readonly string[]][] = [
  ["a veth pair, as an ordinary user", ["--way", "veth"], asUser],
  ...(isRoot ? ([["a TUN device", ["--way", "tun"], []]] as [string, readonly string[], readonly string[]][]) : []),
];

/** Lines of the shell that the scripts below use. */
const PRELUDE = `
  node=203.0.113.4:31000
  memory() { awk '/VmRSS/ { print int($2 / 1024) }' /proc/$PPID/status; }
  counted() { sort | uniq -c | sed 's/^ *//'; }
  try() { curl -s -m 60 -o /dev/null -w '%{http_code}\\n' $node/\${1-}; }
`;

describe.skipIf(missing.length > 0).each(ways)("by %s", (_, options, as) => {
  let server: RealServer;
  beforeAll(async () => {
    server = await realServer();
  });
  afterAll(() => server.close());

  /** What a script prints in the client's place. A real server stands behind the NodePort. */
  async function inside(script: string): Promise<string[]> {
    const backend = ["--backend", `source-ip-app=127.0.0.1:${server.port}`];
    const words = [...as, ...natscope, "shell", "nodeport", ...options, ...backend, "--", "bash", "-c"];
    const { stdout, stderr } = await run([...words, PRELUDE + script]);
    expect(stderr).toBe("");
    return stdout.trim().split("\n");
  }

  test("1,000 curls one after the other and 100 at once are answered", { timeout: LONGEST }, async () => {
    const lines = await inside(`
      for i in $(seq 1000); do try $i; done | counted
      seq 100 | xargs -P 100 -I@ curl -s -m 60 -o /dev/null -w '%{http_code}\\n' $node/@ | counted`);
    expect(lines).toEqual(["1000 200", "100 200"]);
  });

  test("bodies arrive as they were sent, both ways", { timeout: LONGEST }, async () => {
    const lengths = [1, 2, 1419, 1420, 1421, 65_535, 65_536, 10_000_019, 268_435_456, ...(isLong ? [2 ** 30] : [])];
    const lines = await inside(`
      for n in ${lengths.join(" ")}; do
        curl -s $node/$n | sha256sum
        curl -s $node/$n | curl -s -H Expect: -T - $node
      done`);
    expect(lines).toEqual(lengths.flatMap((length) => [`${bodyHash(length)}  -`, `${length} ${bodyHash(length)}`]));
  });

  test("wrk is answered every time, and memory stays", { timeout: LONGEST }, async () => {
    const lines = await inside(`
      wrk -t 1 -c 64 -d 2 http://$node/100 > /dev/null; before=$(memory)
      wrk -t 1 -c 64 -d ${isLong ? 30 : 5} http://$node/100 | grep -E 'Socket errors|Non-2xx' || echo no errors
      echo $(( $(memory) - before ))`);
    expect(lines[0]).toBe("no errors");
    expect(Number(lines[1])).toBeLessThan(60);
  });

  test("a slow reader gets everything and keeps nobody waiting", { timeout: LONGEST }, async () => {
    const lines = await inside(`
      gate=$(mktemp -u); mkfifo $gate
      curl -s $node/30000037 | { read < $gate; sha256sum; } &
      curl -s --limit-rate 1M $node/2000003 | sha256sum > $gate.limited & limited=$!
      for i in $(seq 50); do try 1000; done | counted
      wait $limited; cat $gate.limited; echo open > $gate; wait; rm $gate $gate.limited`);
    expect(lines).toEqual(["50 200", `${bodyHash(2_000_003)}  -`, `${bodyHash(30_000_037)}  -`]);
  });

  test("clients that vanish leave the others alone and no memory taken", { timeout: LONGEST }, async () => {
    const rounds = isLong ? 20 : 4;
    const lines = await inside(`
      vanish() { # killed in the middle; the second time nothing of it gets out any more
        for i in $(seq 10); do curl -s -o /dev/null $node/200000000 & pids="$pids $!"; done
        sleep 0.3
        [ $1 = silent ] && ip route add blackhole 203.0.113.4
        kill -9 $pids; wait $pids 2> /dev/null; pids=
        [ $1 = silent ] && sleep 0.3 && ip route del blackhole 203.0.113.4
        try 1000
      }
      curl -s $node/100000007 | sha256sum &
      { vanish loud; vanish silent; before=$(memory)
      for r in $(seq ${rounds}); do vanish loud; vanish silent; done | counted
      wait; try 1000; echo $(( $(memory) - before )); } 2> /dev/null`);
    expect(lines).toContain(`${bodyHash(100_000_007)}  -`);
    expect(lines).toContain(`${2 * rounds} 200`);
    expect(lines.at(-2)).toBe("200");
    expect(Number(lines.at(-1))).toBeLessThan(150);
  });

  test("floods, scans and junk neither stop a transfer nor others, nor fill memory", { timeout: LONGEST }, async () => {
    const lines = await inside(`
      for i in $(seq ${isLong ? 8 : 2}); do curl -s $node/150000001 | sha256sum; done > /tmp/natscope-live-$$ & transfer=$!
      # Fewer than a node has ports to translate to: they stay taken for a minute, as on a real node.
      timeout 20 hping3 -q -i u20 -c 40000 --rand-source -S -p 31000 203.0.113.4 > /dev/null 2>&1
      try 1000; flooded=$(memory)
      for flags in -F '-S -F' '-R -A' '-U -P -F' '-X -Y' '-A --win 0 --tcp-timestamp' '-S -d 900 --frag' '-A -O 2' '-S --badcksum'; do
        hping3 -q -i u200 -c 500 $flags -p 31000 203.0.113.4 > /dev/null 2>&1
      done; try 1000
      for scan in -sA -sX -sN -sS; do
        nmap -n -Pn $scan -p 1-1000,31000 --max-retries 1 -T5 203.0.113.4 > /tmp/natscope-live-$$.scan
      done; grep ^31000 /tmp/natscope-live-$$.scan; rm /tmp/natscope-live-$$.scan; try 1000
      for seed in $(seq ${isLong ? 25 : 5}); do python3 ${JUNK} eth0 203.0.113.4 31000 20000 $seed; done > /dev/null; try 1000
      middle=$(memory)
      for seed in $(seq ${isLong ? 25 : 5}); do python3 ${JUNK} eth0 203.0.113.4 31000 20000 1$seed; done > /dev/null; try 1000
      wait $transfer; sort -u /tmp/natscope-live-$$; rm /tmp/natscope-live-$$
      echo $(( $(memory) - middle ))`);
    expect(lines).toEqual([
      ...["200", "200"],
      "31000/tcp open  unknown",
      ...["200", "200", "200"],
      `${bodyHash(150_000_001)}  -`,
      expect.stringMatching(/^-?\d+$/),
    ]);
    expect(Number(lines.at(-1))).toBeLessThan(40);
  });
});
