/** Names for director: at most 64 letters, digits and . _ : @ [ ] -, none of them twice. What is wished for is bent until it fits. */
export function createNames(): (wish: string) => string {
  const taken = new Set<string>();
  return (wish) => {
    const fit =
      wish
        .replaceAll(/[^\w.:@[\]-]+/g, "-")
        .replace(/^[-.]+/, "")
        .slice(0, 60) || "service";
    let name = fit;
    for (let n = 2; taken.has(name); n++) name = `${fit.slice(0, 58)}-${n}`;
    taken.add(name);
    return name;
  };
}
