/** Does something with each, so many at a time; answers in their order. Begins no more when one has failed. */
export async function inWindow<T, R>(items: readonly T[], sizeMax: number, act: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  let hasFailed = false;
  const goOn = async (): Promise<void> => {
    while (next < items.length && !hasFailed) {
      const place = next++;
      try {
        results[place] = await act(items[place] as T);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(sizeMax, items.length) }, goOn));
  return results;
}
