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

let flags = new Map();

/** Take over the service's words. @param {{flag: string, title: string, description: string}[]} list of GET v1/flags */
export function learnFlags(list) {
  flags = new Map(list.map((entry) => [entry.flag, entry]));
}

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
  return flags.get(flag)?.description ?? `${capital(flag.replaceAll("_", " "))}.`;
}

/** The same in a few words. */
export function flagInShort(flag) {
  return flags.get(flag)?.title ?? flag.replaceAll("_", " ");
}

/** 'Anger' for 'anger'. */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
