/** Parts of what `nft -j list ruleset` prints (nft 1.0.6), in the table `ip nat` unless another family is named. */
export const table = (family = "ip") => ({ table: { family, name: "nat", handle: 1 } });

export const chain = (name: string, hook?: string, family = "ip") => ({
  chain: {
    family,
    table: "nat",
    name,
    handle: 1,
    ...(hook === undefined ? {} : { type: "nat", hook, prio: hook === "postrouting" ? 100 : -100, policy: "accept" }),
  },
});

export const set = (name: string, elem: readonly unknown[], family = "ip") => ({
  set: { family, name, table: "nat", type: "ipv4_addr", handle: 2, elem },
});

export const rule = (chain: string, expr: readonly unknown[], family = "ip") => ({
  rule: { family, table: "nat", chain, handle: 3, expr },
});

export const match = (left: unknown, right: unknown, op = "==") => ({ match: { op, left, right } });

export const jump = (target: string) => ({ jump: { target } });

export const masquerade = { masquerade: null };
