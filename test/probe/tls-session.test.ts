import assert from "node:assert/strict";
import { test } from "node:test";
import { createResumption, RESUMED_FOR_MS } from "../../src/probe/tls-session.ts";
import { fakeClock } from "../support/fake-clock.ts";

const [one, other] = [Buffer.from("one"), Buffer.from("other")];
const trust = {};

test("a session is offered for a minute after the certificate was seen, however often it is renewed", async () => {
  const clock = fakeClock();
  const resumption = createResumption(clock);
  assert.equal(resumption.offer(trust), undefined);
  resumption.approved(trust);
  assert.equal(resumption.offer(trust), undefined, "there is none yet");
  resumption.keep(one);
  assert.equal(resumption.offer(trust), one);
  await clock.advance(RESUMED_FOR_MS - 1);
  resumption.keep(other);
  assert.equal(resumption.offer(trust), other);
  await clock.advance(1);
  assert.equal(resumption.offer(trust), undefined);
  resumption.approved(trust);
  assert.equal(resumption.offer(trust), other);
});

test("none without approval, none after trouble, none under another trust", () => {
  const resumption = createResumption(fakeClock());
  resumption.keep(one);
  assert.equal(resumption.offer(trust), undefined);
  resumption.approved(trust);
  assert.equal(resumption.offer({}), undefined);
  assert.equal(resumption.offer(trust), one);
  resumption.forget();
  resumption.keep(other);
  assert.equal(resumption.offer(trust), undefined);
});
