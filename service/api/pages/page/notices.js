// What keeps an answer from being one, in plain words and with what to do: no face, no speech, no sound.

import { element } from "./dom.js";

const NOTICES = {
  no_face: ["No face was found", "Nothing is claimed about arousal and valence. Record with the face in the middle, well lit and at least a fifth as high as the picture; or choose ‘Voice’ under Options to judge the sound alone."],
  no_speech: ["No speech was found", "No emotion is claimed. Check that the right microphone was on and somebody speaks for at least a second."],
  silent: ["The recording is silent", "Check the microphone and its volume, then record again."],
  no_audio: ["There is no sound", "Nothing is claimed about a voice."],
};

/** Notices for the flags that have one; null where there is none. */
export function noticeList(flags) {
  const told = flags.includes("silent") ? flags.filter((flag) => flag !== "no_speech") : flags;
  const known = told.filter((flag) => flag in NOTICES);
  if (!known.length) return null;
  return element("div", { class: "notices" }, known.map((flag) => element("div", { class: "notice", "data-flag": flag },
    element("h3", {}, NOTICES[flag][0]), element("p", {}, NOTICES[flag][1]))));
}

/** The flags that no notice tells of. */
export function otherFlags(flags) {
  return flags.filter((flag) => !(flag in NOTICES));
}
