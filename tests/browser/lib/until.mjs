/** Waits until `happened` answers something true, which it answers. */
export async function until(what, happened, ms = 10_000) {
  const end = performance.now() + ms;
  for (;;) {
    const found = await happened();
    if (found) return found;
    if (performance.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
