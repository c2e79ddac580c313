// keepalived runs a file, director the import of it, on the same servers: every kind of check, while the servers turn sick and well. Their tables are the
// same, but for the checks that director has not.
// lab: topology=routed servers=3 timeout=300 prepare=keepalived.ts
import { writeFileSync } from "node:fs";
import { certificate } from "../../support/certificates.ts";
import { besideKeepalived } from "./beside.ts";
import { CHECK_PIECES } from "./check-pieces.ts";

const { cert, key } = certificate({ subject: "lb.example.test" });
writeFileSync("/run/lab/lb.pem", cert);
writeFileSync("/run/lab/lb.key", key);
const GLOBALS = `global_defs {
  checker_log_all_failures
}
SSL {
  password none
  ca /run/lab/lb.pem
  certificate /run/lab/lb.pem
  key /run/lab/lb.key
}`;
await besideKeepalived(CHECK_PIECES, GLOBALS);
