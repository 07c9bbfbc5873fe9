// The outline of a recording's sound, made in the browser from the file that is there anyway.

const RATE_HZ = 8000; // keeps an hour of decoded sound at 115 MB
const MOST_BYTES = 40e6;
const POINTS = 4000;

/** Lowest and highest sample of each of some thousand parts, or null where this browser cannot decode the file. */
export async function outlineOf(file) {
  if (file.size > MOST_BYTES || !window.OfflineAudioContext) return null;
  try {
    const context = new OfflineAudioContext(1, 1, RATE_HZ);
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    return { ...extremes(sound.getChannelData(0)), duration: sound.duration };
  } catch {
    return null;
  }
}

function extremes(samples) {
  const count = Math.min(POINTS, samples.length);
  const low = new Array(count);
  const high = new Array(count);
  for (let point = 0; point < count; point += 1) {
    let least = 1;
    let most = -1;
    const end = Math.floor(((point + 1) * samples.length) / count);
    for (let index = Math.floor((point * samples.length) / count); index < end; index += 1) {
      if (samples[index] < least) least = samples[index];
      if (samples[index] > most) most = samples[index];
    }
    low[point] = least;
    high[point] = most;
  }
  return { low, high };
}
