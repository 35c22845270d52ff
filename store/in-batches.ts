/** How many are under way at a time: more keep the thread pool no busier, and each may hold some descriptors. */
const BATCH = 16;

/** Does something with every item, some at a time, and gives the results in the order of the items. */
export async function inBatches<T, R>(
  items: readonly T[],
  action: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += BATCH)
    results.push(
      ...(await Promise.all(
        items.slice(start, start + BATCH).map((item, index) => action(item, start + index)),
      )),
    );
  return results;
}
