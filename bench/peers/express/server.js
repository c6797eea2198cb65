// The peer: what a good Node developer would write in a day, with the platform's own SDK. Express takes the callback, the
// SDK checks its signature and reads it, better-sqlite3 decides and holds in one transaction a call, synced to disk before
// the answer. Settings come from the environment; run.py creates the database.

import { Voice, VoiceCallbackWebhooks } from "@sinch/sdk-core";
import Database from "better-sqlite3";
import express from "express";

const { APPLICATION_KEY, APPLICATION_SECRET, DATABASE, PORT } = process.env;
const FRESHNESS_MS = 300_000;
const MAX_GRANT_S = 14_400;

const webhooks = new VoiceCallbackWebhooks({
  applicationKey: APPLICATION_KEY,
  applicationSecret: APPLICATION_SECRET,
});

const database = new Database(DATABASE, { fileMustExist: true });
database.pragma("journal_mode = WAL");
database.pragma("synchronous = FULL");

const findWallet = database.prepare("SELECT * FROM wallets WHERE user = ?");
const findCall = database.prepare("SELECT answer FROM calls WHERE call_id = ?");
const findRate = database.prepare(`
  SELECT * FROM rates WHERE prefix IN (${Array(15).fill("?").join(", ")}) ORDER BY length(prefix) DESC LIMIT 1`);
const hold = database.prepare("UPDATE wallets SET held_micros = held_micros + ? WHERE user = ?");
const addCall = database.prepare("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
const addEvent = database.prepare("INSERT INTO events (call_id, at, name, body) VALUES (?, ?, ?, ?)");

/** Decide once for each call id: a repeat gets the stored answer. Returns the answer as JSON text. */
const authorize = database.transaction((ice, body, now) => {
  addEvent.run(ice.callid, now, ice.event, body);
  const known = findCall.get(ice.callid);
  if (known) {
    return known.answer;
  }
  const destination = ice.to?.endpoint ?? "";
  const wallet = findWallet.get(ice.user);
  const rate = longestPrefix(destination);
  const grantedS = wallet && rate ? grant(rate, wallet) : 0;
  const heldMicros = grantedS > 0 ? charge(rate, grantedS) : 0;
  const answer = JSON.stringify(grantedS > 0 ? connect(destination, grantedS) : hangup());
  if (grantedS > 0) {
    hold.run(heldMicros, ice.user);
  }
  addCall.run(ice.callid, ice.user ?? "", destination, rate?.prefix ?? null, grantedS, heldMicros, answer, now);
  return answer;
});

function longestPrefix(destination) {
  const digits = destination.replace("+", "");
  return findRate.get(...Array.from({ length: 15 }, (_, index) => digits.slice(0, index + 1)));
}

/** Seconds that the wallet can pay for, at most what its limit and the platform allow; 0 below the first increment. */
function grant(rate, wallet) {
  const usageMicros = wallet.posted_micros - wallet.held_micros - rate.connect_fee_micros;
  const payableS = Math.floor((usageMicros * 60_000) / rate.rate_nanos_per_min);
  if (payableS < rate.first_increment_s) {
    return 0;
  }
  const coveredS = payableS - ((payableS - rate.first_increment_s) % rate.increment_s);
  return Math.min(coveredS, wallet.max_seconds, MAX_GRANT_S);
}

/** Micros for a call of so many seconds, rounded up once. */
function charge(rate, durationS) {
  const furtherS = Math.max(0, durationS - rate.first_increment_s);
  const billedS = rate.first_increment_s + Math.ceil(furtherS / rate.increment_s) * rate.increment_s;
  return rate.connect_fee_micros + Math.ceil((rate.rate_nanos_per_min * billedS) / 60_000);
}

function connect(number, maxDuration) {
  const action = Voice.iceActionHelper.connectPstn({ number, cli: "private", maxDuration });
  return new Voice.IceSvamletBuilder().setAction(action).build();
}

function hangup() {
  return new Voice.IceSvamletBuilder().setAction(Voice.iceActionHelper.hangup()).build();
}

const app = express();
app.disable("x-powered-by");
app.disable("etag");
app.use(express.text({ type: "application/json", limit: "64kb" }));

app.post("/callbacks/sinch", (request, response) => {
  const { headers, body, path, method } = request;
  const isGenuine = webhooks.validateAuthenticationHeader(headers, body, path, method);
  const now = Date.now();
  if (!isGenuine || !(Math.abs(now - Date.parse(headers["x-timestamp"])) <= FRESHNESS_MS)) {
    response.status(401).end();
    return;
  }
  const event = webhooks.parseEvent(body);
  response.type("application/json").send(event.event === "ice" ? authorize.immediate(event, body, now) : "{}");
});

app.listen(Number(PORT), "127.0.0.1");
