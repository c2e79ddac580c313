export { makeDebs as prepare } from "./make.ts";
