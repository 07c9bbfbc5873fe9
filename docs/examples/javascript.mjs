// Judges the emotion of a recording with fetch, in Node.js 20 and newer and in browsers.
// audioEmotion gives the answer; audioEmotionEvents gives events while the service works.
// Usage: node javascript.mjs ADDRESS RECORDING
// EMOSERVE_KEY=… is the key of a service that asks for one.

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

/** Events of `file`: yields [name, document]; the last is "result", or "problem" with the service's `code`. */
export async function* audioEmotionEvents(address, file, { key, ...parameters } = {}) {
  const headers = { accept: "text/event-stream", ...(key ? { authorization: `Bearer ${key}` } : {}) };
  const query = new URLSearchParams(parameters);
  const response = await fetch(`${address}/v1/audio/emotion?${query}`, { method: "POST", headers, body: file });
  if (!response.ok) {
    const document = await response.json();
    throw Object.assign(new Error(document.detail), { code: document.code, requestId: document.request_id });
  }
  let text = "";
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (text + piece).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)));
      if (fields.event) yield [fields.event, JSON.parse(fields.data)];
    }
  }
}

if (typeof process !== "undefined" && process.argv[1]?.endsWith("javascript.mjs")) {
  const { existsSync, openAsBlob } = await import("node:fs");
  const [address, recording] = process.argv.slice(2);
  if (!recording) {
    console.error("Usage: node javascript.mjs ADDRESS RECORDING");
    process.exit(2);
  }
  if (!existsSync(recording)) {
    console.error(`The file ${recording} cannot be read: it does not exist.`);
    process.exit(1);
  }
  try {
    const file = await openAsBlob(recording);
    const answer = await audioEmotion(address, file, { key: process.env.EMOSERVE_KEY, timeline: true });
    console.log(answer.emotion, answer.probabilities, answer.timeline.arousal);
    for await (const [name, document] of audioEmotionEvents(address, file, { key: process.env.EMOSERVE_KEY })) {
      console.log(name, name === "window" ? document.arousal : document.progress ?? document.code ?? document.emotion);
    }
  } catch (error) {
    console.error(`${error.code ?? "failed"}: ${error.message}`);
    process.exitCode = 1;
  }
}
