// Codes of the service in words.

// Names of the units in the Facial Action Coding System (Ekman, Friesen, Hager 2002).
const UNITS = {
  AU01: "inner brow raiser", AU02: "outer brow raiser", AU04: "brow lowerer", AU05: "upper lid raiser",
  AU06: "cheek raiser", AU07: "lid tightener", AU09: "nose wrinkler", AU10: "upper lip raiser",
  AU12: "lip corner puller", AU14: "dimpler", AU15: "lip corner depressor", AU17: "chin raiser",
  AU20: "lip stretcher", AU23: "lip tightener", AU25: "lips part", AU26: "jaw drop", AU45: "blink",
};
const SIGNALS = { confidence: "face confidence", turn: "person speaks" };
const STATISTICS = { mean: "level", deviation: "movement" };

// Sentences of service/flags.py.
const FLAGS = {
  audio_unusable: "The sound track could not be used.",
  clipped: "The loudest parts of the sound were cut off when it was recorded.",
  damaged: "Part of the file is damaged and was left out.",
  header_repaired: "The file's header did not fit its samples; all samples found were used.",
  trailing_data: "Data that is no sound follows the sound in the file and was left out.",
  several_tracks: "The file has several tracks of this kind; the answer is about one of them.",
  mix_cancels: "The channels cancel each other when they are mixed, so the louder channel was judged instead.",
  denoised: "Noise was removed first.",
  face_lost: "The face was out of sight for a while; nothing is claimed for that time.",
  no_attribution: "There is no attribution for this recording.",
  no_audio: "There is no sound.",
  no_face: "No face was found, so there are no values.",
  no_neutral: "The face was seen too briefly to know its resting look: levels are rough.",
  no_speech: "No speech was found, so no emotion is claimed.",
  no_voice_activity: "Speech could not be told from other sounds.",
  several_faces: "There are several faces; the values are of one of them.",
  silent: "The recording is silent.",
  silent_windows: "Some windows are silent.",
  thinned: "The video has more frames a second than the limit; every other or third was looked at.",
  times_repaired: "Time stamps were absent or did not increase, and were replaced.",
  "trained: prior": "The affect model is a documented prior: read changes, not levels.",
  truncated: "The file ends early; what was there is judged.",
};

/** Such as 'AU12 lip corner puller'; an unknown unit is called as it is. */
export function unitInWords(unit) {
  return unit in UNITS ? `${unit} ${UNITS[unit]}` : unit;
}

/** Such as 'AU12 lip corner puller, movement' for 'AU12_deviation'. */
export function featureInWords(feature) {
  const [signal, statistic] = feature.split("_");
  const words = SIGNALS[signal] ?? unitInWords(signal);
  return statistic in STATISTICS ? `${words}, ${STATISTICS[statistic]}` : words;
}

/** The same for narrow screens: 'AU12 movement'. */
export function featureInShort(feature) {
  const [signal, statistic] = feature.split("_");
  return [signal, STATISTICS[statistic]].filter(Boolean).join(" ");
}

/** What a flag means. */
export function flagInWords(flag) {
  return FLAGS[flag] ?? `${flag.replaceAll("_", " ")}.`;
}

/** 'Anger' for 'anger'. */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
