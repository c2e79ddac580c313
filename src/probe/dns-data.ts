import type { Answer } from "dns-packet";

/** A record's data as dig(1) shows it, less the last dot of names and the quotes around texts. */
export function recordData(answer: Answer): string {
  switch (answer.type) {
    case "A":
    case "AAAA":
    case "CNAME":
    case "NS":
    case "PTR":
      return answer.data;
    case "MX":
      return `${answer.data.preference} ${answer.data.exchange}`;
    case "SRV": {
      const { priority, weight, port, target } = answer.data;
      return `${priority} ${weight} ${port} ${target}`;
    }
    case "SOA": {
      const { mname, rname, serial, refresh, retry, expire, minimum } = answer.data;
      return `${mname} ${rname} ${serial} ${refresh} ${retry} ${expire} ${minimum}`;
    }
    case "TXT":
      return [answer.data].flat().map(String).join("");
    case "CAA":
      return `${answer.data.flags} ${answer.data.tag} ${answer.data.value}`;
    case "DNSKEY":
      return `${answer.data.flags} 3 ${answer.data.algorithm} ${answer.data.key.toString("base64")}`;
    case "RRSIG": {
      const { typeCovered, algorithm, labels, originalTTL, expiration, inception, keyTag, signersName } = answer.data;
      const signature = answer.data.signature.toString("base64");
      return `${typeCovered} ${algorithm} ${labels} ${originalTTL} ${expiration} ${inception} ${keyTag} ${signersName} ${signature}`;
    }
    default:
      throw new Error(`no text for ${answer.type} records`);
  }
}
