import { expect, test } from "vitest";
import { wiresharkFolders } from "../../src/wireshark/index.ts";

const home = "/home/ada";

test.each([
  ["linux", {}, "/home/ada/.config/wireshark"],
  ["darwin", {}, "/home/ada/.config/wireshark"],
  ["linux", { XDG_CONFIG_HOME: "/home/ada/etc" }, "/home/ada/etc/wireshark"],
  ["linux", { XDG_CONFIG_HOME: "/home/ada/etc", WIRESHARK_CONFIG_DIR: "/opt/shark" }, "/opt/shark"],
  ["win32", { APPDATA: "C:\\Users\\ada\\AppData\\Roaming" }, "C:\\Users\\ada\\AppData\\Roaming\\Wireshark"],
])("without tshark, on %s with %o, settings are in %s", (platform, environment, configuration) => {
  expect(wiresharkFolders({ platform, environment, home }).configuration).toBe(configuration);
});

test("extcap programs are where Wireshark 4.2 and later look by themselves", () => {
  expect(wiresharkFolders({ platform: "linux", environment: {}, home }).extcap).toBe(
    "/home/ada/.local/lib/wireshark/extcap",
  );
});

test("there is no extcap program on Windows, where it could not be a shell script", () => {
  expect(wiresharkFolders({ platform: "win32", environment: {}, home }).extcap).toBeUndefined();
});

test("what tshark 4.0 prints is believed: it looks for extcap programs beside the settings", () => {
  const printed =
    "Temp:                \t/tmp\nPersonal configuration:\t/etc/my shark\nExtcap path:         \t/usr/lib/extcap\n";
  expect(wiresharkFolders({ platform: "linux", environment: {}, home, printed })).toEqual({
    configuration: "/etc/my shark",
    extcap: "/etc/my shark/extcap",
  });
});

test("what a newer tshark prints is believed: it has a personal folder of its own for them", () => {
  const printed =
    "Personal configuration:\t/home/ada/.config/wireshark\r\nPersonal Extcap path:\t/srv/extcap\r\nGlobal Extcap path:\t/usr/lib/extcap\r\n";
  expect(wiresharkFolders({ platform: "linux", environment: {}, home, printed }).extcap).toBe("/srv/extcap");
});
