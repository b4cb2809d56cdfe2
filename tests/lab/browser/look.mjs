// Opens an HTML file in headless Chromium the way readers do, and tells as JSON what it saw:
//
//   node look.mjs FILE.html FOLDER AXE.JS
//
// FOLDER gets wide.png, dark.png, phone.png and print.pdf. Chromium is driven over its own debugging pipe, so that nothing but
// Node itself is needed. axe-core is the well-known collection of checks for what keeps people out.
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [file, folder, axeFile] = process.argv.slice(2).map((argument) => resolve(argument));
const axe = readFileSync(axeFile, "utf8");
const profile = mkdtempSync(join(tmpdir(), "casa-doctor-chromium-"));
const chromium = spawn(
  "chromium",
  ["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-extensions", `--user-data-dir=${profile}`, "about:blank"],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], env: { ...process.env, HOME: profile } },
);
const limit = setTimeout(() => {
  chromium.kill("SIGKILL");
  throw new Error("Chromium did not finish within its limit");
}, 150_000);

// --- The debugging protocol: JSON with a NUL after each message -------------------------------------------------------
const waiting = new Map();
const seen = { console: [], requests: [], violations: [], overflow: [], keyboard: null, printed: null };
let next = 1;
let buffer = "";
chromium.stdio[4].setEncoding("utf8");
chromium.stdio[4].on("data", (text) => {
  buffer += text;
  for (let end = buffer.indexOf("\0"); end >= 0; end = buffer.indexOf("\0")) {
    const message = JSON.parse(buffer.slice(0, end));
    buffer = buffer.slice(end + 1);
    if (message.id) {
      const { done, failed } = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error) failed(new Error(JSON.stringify(message.error)));
      else done(message.result);
    } else {
      event(message);
    }
  }
});

function send(method, params = {}, sessionId = undefined) {
  const id = next++;
  chromium.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
  return new Promise((done, failed) => waiting.set(id, { done, failed }));
}

const loaded = new Map();
function event({ method, params, sessionId }) {
  switch (method) {
    case "Runtime.consoleAPICalled":
      seen.console.push(`${params.type}: ${params.args.map((argument) => argument.value ?? argument.description).join(" ")}`);
      break;
    case "Runtime.exceptionThrown":
      seen.console.push(`exception: ${params.exceptionDetails.text}`);
      break;
    case "Log.entryAdded":
      seen.console.push(`${params.entry.level}: ${params.entry.text}`);
      break;
    case "Network.requestWillBeSent":
      if (!params.request.url.startsWith("data:") && params.request.url !== pathToFileURL(file).href) seen.requests.push(params.request.url);
      break;
    case "Page.loadEventFired":
      loaded.get(sessionId)?.();
      break;
  }
}

// --- One look ---------------------------------------------------------------------------------------------------------
async function open({ width, height, mobile, scheme }) {
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const ask = (method, params) => send(method, params, sessionId);
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await ask(`${domain}.enable`);
  await ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: mobile ? 2 : 1, mobile });
  await ask("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  const isLoaded = new Promise((done) => loaded.set(sessionId, done));
  await ask("Page.navigate", { url: pathToFileURL(file).href });
  await isLoaded;
  const evaluate = async (expression) => {
    const answer = await ask("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (answer.exceptionDetails) throw new Error(JSON.stringify(answer.exceptionDetails));
    return answer.result.value;
  };
  return { ask, evaluate };
}

async function look(name, view) {
  const page = await open(view);
  const overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  if (overflow > 0) seen.overflow.push(`${name}: ${overflow} px`);
  const { data } = await page.ask("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
  writeFileSync(join(folder, `${name}.png`), Buffer.from(data, "base64"));
  // What is folded is checked, too; the check itself is no part of the page and so not bound by its policy.
  await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })");
  await page.evaluate(`${axe}\n; "ready"`);
  const found = await page.evaluate(`axe.run(document, { resultTypes: ["violations"] }).then((answer) =>
    answer.violations.map((one) => one.id + ": " + one.help + ": " + one.nodes.map((node) => node.html.slice(0, 120)).join(" | ")))`);
  seen.violations.push(...found.map((text) => `${name}: ${text}`));
  return page;
}

// A keyboard alone: Tab to the first folded part, Enter opens it.
async function press(page, key, code, text = undefined) {
  for (const type of [text ? "keyDown" : "rawKeyDown", "keyUp"]) {
    await page.ask("Input.dispatchKeyEvent", { type, key, code: key, windowsVirtualKeyCode: code, text: type === "keyUp" ? undefined : text });
  }
}

async function keyboard(view) {
  const page = await open(view);
  const folded = await page.evaluate("document.querySelectorAll('summary').length");
  if (folded === 0) return "nothing is folded";
  for (let turn = 0; turn < 60; turn++) {
    await press(page, "Tab", 9);
    if (await page.evaluate("document.activeElement.tagName === 'SUMMARY'")) {
      await press(page, "Enter", 13, "\r");
      return (await page.evaluate("document.activeElement.parentElement.open")) ? "opens" : "stays closed";
    }
  }
  return "is never reached";
}

try {
  const wide = { width: 1280, height: 900, mobile: false, scheme: "light" };
  await look("wide", wide);
  await look("dark", { ...wide, scheme: "dark" });
  await look("phone", { width: 390, height: 844, mobile: true, scheme: "light" });
  seen.keyboard = await keyboard(wide);
  const page = await open(wide);
  const { data } = await page.ask("Page.printToPDF", { printBackground: false, preferCSSPageSize: true });
  writeFileSync(join(folder, "print.pdf"), Buffer.from(data, "base64"));
  seen.printed = "print.pdf";
  console.log(JSON.stringify(seen, null, 2));
} finally {
  // Its processes write into the profile until the last of them is gone.
  const isGone = new Promise((done) => chromium.once("exit", done));
  send("Browser.close").catch(() => {});
  await Promise.race([isGone, new Promise((done) => setTimeout(done, 10_000))]);
  clearTimeout(limit);
  chromium.kill("SIGKILL");
  rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
}
process.exit(0);
