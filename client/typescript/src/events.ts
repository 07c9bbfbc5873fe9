// Server-sent events of a response.

/** One event: its name, its data and its identifier, where it has one. */
export interface ServerEvent {
  name: string;
  data: unknown;
  id: string | null;
}

/** Read the events of a response as they come; leaving the iteration ends the response. */
export async function* eventsOf(response: Response): AsyncGenerator<ServerEvent> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      if (!/[\r\n]/.test(value)) continue; // a long answer is one line
      const blocks = rest.split(/\r\n\r\n|\n\n|\r\r/);
      rest = blocks.pop()!;
      for (const block of blocks) {
        const event = eventOf(block);
        if (event) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** The event of one block of lines; null of a comment, or of a pause that the service names. */
function eventOf(block: string): ServerEvent | null {
  let name = "message", id: string | null = null;
  const data: string[] = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/.exec(line)!;
    if (field === "event") name = value ?? "";
    else if (field === "data") data.push(value ?? "");
    else if (field === "id") id = value ?? "";
  }
  return data.length ? { name, id, data: JSON.parse(data.join("\n")) } : null;
}
