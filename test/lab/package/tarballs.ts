export { makeTarballs as prepare } from "./make.ts";
