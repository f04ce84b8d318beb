/**
 * What Wireshark needs to know of natscope, as data and text: a configuration profile, the answers of an extcap program, and the folders in which
 * Wireshark looks for both.
 *
 * A capture of natscope shows one packet at many points. With Wireshark's own settings that looks like a network full of retransmissions; the profile turns
 * the analysis off that takes copies for repetitions, adds the columns that tell the copies apart (capture point, lineage, what happened there) and colours
 * what was rewritten or dropped.
 *
 * Nothing here touches a file or starts a program: the environment is handed in, texts come out. Writing them is the command line's work.
 *
 * ```ts
 * for (const { name, text } of profileFiles()) write(join(folders.configuration, "profiles", PROFILE_NAME, name), text);
 * ```
 *
 * @module
 */

export {
  captureName,
  describeDataLinks,
  describeInterfaces,
  extcapScript,
  type LiveRun,
  type OfferedInterface,
  offeredInterfaces,
} from "./extcap.ts";
export { type WiresharkFolders, type WiresharkPlace, wiresharkFolders } from "./folders.ts";
export { COLOUR_RULES, type ColourRule, PROFILE_NAME, type ProfileFile, profileFiles } from "./profile.ts";
