/**
 * Edits between two words, letter case aside: letters put in, left out, replaced, or two neighbours swapped
 * (Damerau-Levenshtein, each part of a word edited once). More than `limit` is answered as `limit + 1`.
 */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) {
    return limit + 1;
  }
  const s = a.toLowerCase();
  const t = b.toLowerCase();
  let beforeLast: number[] = [];
  let last = Array.from({ length: t.length + 1 }, (_, j) => j);
  for (let i = 1; i <= s.length; i++) {
    const row = [i];
    for (let j = 1; j <= t.length; j++) {
      const replaced = last[j - 1] + (s[i - 1] === t[j - 1] ? 0 : 1);
      let cost = Math.min(replaced, last[j] + 1, row[j - 1] + 1);
      const swapped = i > 1 && j > 1 && s[i - 1] === t[j - 2] && s[i - 2] === t[j - 1];
      if (swapped) {
        cost = Math.min(cost, beforeLast[j - 2] + 1);
      }
      row.push(cost);
    }
    if (Math.min(...row) > limit) {
      return limit + 1;
    }
    beforeLast = last;
    last = row;
  }
  return Math.min(last[t.length], limit + 1);
}

/** The candidate most likely meant; null when none is near: a third of the letters may be wrong, four at most. */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const limit = Math.min(4, Math.ceil(Math.min(word.length, candidate.length) / 3), bestDistance - 1);
    const distance = editDistance(word, candidate, limit);
    if (distance <= limit) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
