// Which jobs this tab has begun, so that they are found again when the page is loaded anew: their ids, nothing else.

// With the path, for other services may lie below other paths of the same host.
const NAME = `emoserve-jobs ${new URL(document.baseURI).pathname}`;

/** Ids of this tab's jobs, oldest first. */
export function rememberedJobs() {
  try {
    const ids = JSON.parse(sessionStorage.getItem(NAME) ?? "[]");
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "string" && /^[\w-]{1,64}$/.test(id)) : [];
  } catch {
    return []; // storage is switched off, or something else lies there
  }
}

/** Remember a job until the tab is closed. */
export function rememberJob(id) {
  keep([...rememberedJobs().filter((one) => one !== id), id]);
}

/** Forget a job. */
export function forgetJob(id) {
  keep(rememberedJobs().filter((one) => one !== id));
}

function keep(ids) {
  try {
    if (ids.length) sessionStorage.setItem(NAME, JSON.stringify(ids));
    else sessionStorage.removeItem(NAME);
  } catch {
    // Storage is switched off: jobs are known until the page is loaded anew.
  }
}
