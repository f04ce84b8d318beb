import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stunServer } from "../../src/apps/index.ts";
import { address, formatIpv4, ipv4 } from "../../src/netstack/index.ts";
import { emitStun, parseStun, STUN_BINDING, type StunAttribute, type StunMessage } from "../../src/protocols/index.ts";
import { TwoHosts } from "./two-hosts.ts";

const PRIMARY = address("10.0.0.2");
const ALTERNATE = address("10.0.0.3");

function serve(...addresses: readonly number[]): TwoHosts {
  const net = new TwoHosts();
  const { stack } = net.server;
  stack.addAddress(stack.interface("eth0")!, { address: ALTERNATE, prefixLength: 24 });
  const [first, second] = addresses;
  stunServer(net.server, {
    addresses: second === undefined ? [ipv4(first ?? 0)] : [ipv4(first ?? 0), ipv4(second)],
  });
  return net;
}

interface Answer {
  readonly from: string;
  readonly message: StunMessage;
}

function ask(net: TwoHosts, attributes: readonly StunAttribute[]): Answer | undefined {
  let answer: Answer | undefined;
  const socket = net.client.stack.udp.open({
    port: 4000,
    onDatagram: ({ from, fromPort, payload }) => {
      const message = parseStun(payload);
      if (message !== undefined) answer = { from: `${formatIpv4(from)}:${fromPort}`, message };
    },
  });
  const transactionId = new Uint8Array(12).fill(9);
  socket.send({
    to: PRIMARY,
    port: 3478,
    payload: emitStun({ class: "request", method: STUN_BINDING, transactionId, attributes }),
  });
  net.wait(1);
  socket.close();
  return answer;
}

describe("a STUN server", () => {
  test("tells the client its address, and the server's other one", () => {
    expect(ask(serve(PRIMARY, ALTERNATE), [])).toEqual({
      from: "10.0.0.2:3478",
      message: {
        class: "success",
        method: STUN_BINDING,
        transactionId: new Uint8Array(12).fill(9),
        attributes: [
          { type: "xor-mapped-address", address: address("10.0.0.1"), port: 4000 },
          { type: "mapped-address", address: address("10.0.0.1"), port: 4000 },
          { type: "response-origin", address: PRIMARY, port: 3478 },
          { type: "other-address", address: ALTERNATE, port: 3479 },
          { type: "software", text: "natscope" },
        ],
      },
    });
  });

  const rows: readonly [changeAddress: boolean, changePort: boolean, from: string][] = [
    [false, false, "10.0.0.2:3478"],
    [false, true, "10.0.0.2:3479"],
    [true, false, "10.0.0.3:3478"],
    [true, true, "10.0.0.3:3479"],
  ];
  test.each(rows)("with change address %s and port %s answers from %s", (changeAddress, changePort, from) => {
    const attributes = [{ type: "change-request", changeAddress, changePort } as const];
    expect(ask(serve(PRIMARY, ALTERNATE), attributes)?.from).toBe(from);
  });

  test("refuses what it does not know", () => {
    const change = { type: "change-request", changeAddress: true, changePort: false } as const;
    const refused = (code: number): unknown => ({
      class: "error",
      attributes: [
        { type: "error-code", code: 420, reason: "Unknown Attribute" },
        { type: "unknown-attributes", codes: [code] },
      ],
    });
    expect(ask(serve(PRIMARY), [change])?.message).toMatchObject(refused(3) as object);
    const raw = { type: "raw", code: 0x7777, value: new Uint8Array(4) } as const;
    expect(ask(serve(PRIMARY, ALTERNATE), [raw])?.message).toMatchObject(refused(0x7777) as object);
  });

  test("keeps quiet about anything else", () => {
    const net = serve(PRIMARY, ALTERNATE);
    let answers = 0;
    const socket = net.client.stack.udp.open({ onDatagram: () => answers++ });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (payload) => {
        socket.send({ to: PRIMARY, port: 3478, payload });
      }),
      { numRuns: 200 },
    );
    net.wait(1);
    expect(answers).toBe(0);
  });
});

describe("stunclient", () => {
  test("finds that there is no NAT and no filter", () => {
    expect(serve(PRIMARY, ALTERNATE).run("stunclient --mode full --localport 5000 10.0.0.2")).toEqual({
      exitCode: 0,
      stderr: "",
      stdout: `Binding test: success
Local address: 10.0.0.1:5000
Mapped address: 10.0.0.1:5000
Behavior test: success
Nat behavior: Direct Mapping
Filtering test: success
Nat filtering: Endpoint Independent Filtering
`,
    });
  });

  test("fails when nobody answers or the server has one address", () => {
    expect(new TwoHosts().run("stunclient 10.0.0.2")).toEqual({
      exitCode: 1,
      stdout: "Binding test: fail\n",
      stderr: "",
    });
    expect(serve(PRIMARY).run("stunclient --mode behavior --localport 5000 10.0.0.2").stdout).toContain(
      "Behavior test: fail: the server has no other address\n",
    );
    expect(new TwoHosts().run("stunclient --mode foo 10.0.0.2").exitCode).toBe(1);
  });
});
