// Emotion of a recording with fetch: Node.js 20 and newer, and browsers.
// Usage: node javascript.mjs ADDRESS RECORDING        EMOSERVE_KEY=… where the service asks for a key

/** Emotion of `file` (a Blob or a File); throws an Error with the service's `code`. */
export async function audioEmotion(address, file, { key, ...parameters } = {}) {
  const body = new FormData();
  body.append("file", file, "recording");
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const query = new URLSearchParams(parameters);
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetch(`${address}/v1/audio/emotion?${query}`, { method: "POST", headers, body });
    const document = await response.json();
    if (response.ok) return document;
    const retryAfter = response.headers.get("retry-after");
    if (retryAfter === null || attempt === 4) {
      throw Object.assign(new Error(document.detail), { code: document.code, requestId: document.request_id });
    }
    await new Promise((resolve) => setTimeout(resolve, 1000 * Number(retryAfter)));
  }
}

if (typeof process !== "undefined" && process.argv[1]?.endsWith("javascript.mjs")) {
  const { openAsBlob } = await import("node:fs");
  const [address, recording] = process.argv.slice(2);
  try {
    const file = await openAsBlob(recording);
    const answer = await audioEmotion(address, file, { key: process.env.EMOSERVE_KEY, timeline: true });
    console.log(answer.emotion, answer.probabilities, answer.timeline.arousal);
  } catch (error) {
    console.error(`${error.code ?? "failed"}: ${error.message}`);
    process.exitCode = 1;
  }
}
