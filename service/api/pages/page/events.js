// Server-sent events (WHATWG HTML, section 9.2.6) from pieces of text that may end anywhere.

import { unreachable } from "./server.js";

/** Returns a function that takes the next piece; `listener` is told name, data and id of each whole event. */
export function eventReader(listener) {
  let rest = "";
  return (piece) => {
    const text = rest + piece;
    const isHalf = text.endsWith("\r"); // perhaps the first half of a line's end
    const blocks = (isHalf ? text.slice(0, -1) : text).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop() + (isHalf ? "\r" : "");
    for (const block of blocks) {
      const event = parse(block);
      if (event) listener(event.name, event.data, event.id);
    }
  };
}

/** Read the events of an answer to fetch() until it ends. Throws ProblemError (status 0) where it breaks off. */
export async function readEvents(response, listener) {
  const take = eventReader(listener);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => { throw unreachable(); });
    if (done) return;
    take(value);
  }
}

function parse(block) {
  let name = "message";
  let id = null;
  const data = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon < 1) continue; // a comment, or nothing
    const field = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") name = value;
    else if (field === "data") data.push(value);
    else if (field === "id") id = value;
  }
  if (!data.length) return null;
  try {
    return { name, data: JSON.parse(data.join("\n")), id };
  } catch {
    return null;
  }
}
