import { libraries } from "./libraries.ts";
import type { Runtime } from "./node.ts";
import { readPackage } from "./program.ts";
import { checkout } from "./staging.ts";

/** The package's copyright file, in Debian's machine-readable format 1.0 (DEP-5): director's own licence, and the whole licence of everything
 *  that comes with it, Node and what it is made of included. */
export function copyrightFile(runtime: Runtime): string {
  const { license } = readPackage(checkout);
  const bundled = libraries().map((library) => {
    const { name } = library;
    const author = typeof library.author === "object" ? library.author.name : library.author;
    return paragraph({
      Files: `usr/lib/director/${library.folder}/*`,
      Copyright: copyrightLines(library.licence) || author || `the authors of ${name}`,
      License: text(library.license, library.licence),
      Comment: `npm package ${name} ${library.version}`,
    });
  });
  return [
    paragraph({
      Format: "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
      "Upstream-Name": "director",
    }),
    paragraph({ Files: "*", Copyright: "the authors of director", License: license }),
    paragraph({
      Files: "usr/lib/director/node",
      Copyright: copyrightLines(runtime.licence),
      License: text("Node.js", runtime.licence),
      Comment: `Node.js ${runtime.version} with the libraries it is built with, each under its own licence below`,
    }),
    ...bundled,
    paragraph({
      License: text(
        "Apache-2.0",
        "Licensed under the Apache License, Version 2.0; you may not use these files except in compliance with it.\n" +
          "On Debian systems its full text is in /usr/share/common-licenses/Apache-2.0; it is also at\n" +
          "http://www.apache.org/licenses/LICENSE-2.0.",
      ),
    }),
  ].join("\n");
}

function paragraph(fields: Readonly<Record<string, string>>): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value.replaceAll("\n", "\n ")}\n`);
  return lines.join("");
}

/** A licence with its text; lines that are empty stand as a dot (deb822). */
function text(name: string, licence: string): string {
  const lines = licence.split("\n").map((line) => line.trimEnd().replaceAll("\t", "  "));
  return [name, ...lines.map((line) => line || ".")].join("\n");
}

/** Who holds the rights, as the licence itself names them, each once. */
function copyrightLines(licence: string): string {
  const lines = licence.split("\n").flatMap((line) => {
    const [, holder] =
      /^[\s*#/\-"]*Copyright(?: ?\(c\)| ©)?:? +(.*(?:\d{4}|authors|contributors|@).*|[A-Z].*)$/i.exec(line) ?? [];
    return holder === undefined || /^(notice|holder|owner|law|and |or |license)/i.test(holder) ? [] : [holder.trim()];
  });
  return [...new Set(lines)].join("\n");
}
