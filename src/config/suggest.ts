/** The known word nearest to a mistyped one, or undefined if none is near: `wieght` finds `weight`, `fastInterval` finds `fast_interval`. */
export function nearest(typed: string, known: Iterable<string>): string | undefined {
  const plain = simplify(typed);
  if (plain === "" || plain.length > 40) return undefined;
  let best: string | undefined;
  // A third of the letters may be wrong, at least one: more and the suggestion misleads.
  let bestDistance = Math.max(1, Math.floor(plain.length / 3)) + 1;
  for (const word of known) {
    const d = distance(plain, simplify(word));
    if (d < bestDistance) [best, bestDistance] = [word, d];
  }
  return best;
}

/** `, did you mean "x"?` or nothing, to end a message with. */
export function didYouMean(typed: string, known: Iterable<string>): string {
  const word = nearest(typed, known);
  return word === undefined ? "" : `, did you mean "${word}"?`;
}

function simplify(word: string): string {
  return word.toLowerCase().replace(/[-_ ]/g, "");
}

/** Edit distance in which swapping two neighbours counts one (optimal string alignment). */
function distance(a: string, b: string): number {
  let twoBack: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, twoBack[j - 2]! + 1);
      row.push(cost);
    }
    [twoBack, previous] = [previous, row];
  }
  return previous[b.length]!;
}
