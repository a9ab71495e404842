// Makes pages better that work without it. Loads nothing from elsewhere, keeps nothing, and writes text as text.
"use strict";

// How often what lives is asked for, and the longest wait when that fails.
const LIVE_MS = 4000;
const LIVE_MS_MAX = 60000;
// How much of a file is looked at, and how many of its rows are shown.
const PREVIEW_BYTES = 1024;
const PREVIEW_ROWS = 8;
// A form that leads to a download leaves its page standing.
const SENT_MS = 10000;

/** Makes one element like another of its kind, and leaves alone what is alike: so focus, selection and scroll stay. */
function become(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    // What a person opened or closed stays so.
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const olds = [...old.childNodes];
  const freshes = [...fresh.childNodes];
  freshes.forEach((node, at) => {
    const was = olds[at];
    if (!was) old.append(node);
    else if (was.isEqualNode(node)) return;
    else if (was.nodeType === Node.ELEMENT_NODE && was.nodeName === node.nodeName) become(was, node);
    else was.replaceWith(node);
  });
  olds.slice(freshes.length).forEach((node) => node.remove());
}

/** Keeps a part of the page up to date, while somebody can see it. */
function live(part) {
  let wait = LIVE_MS;
  let timer = 0;
  async function ask() {
    if (document.hidden) return;
    try {
      const answer = await fetch(part.dataset.live, { cache: "no-store", credentials: "same-origin" });
      // The session is over: the page says so.
      if (answer.redirected || answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
      if (!fresh) throw new Error("no such part");
      become(part, fresh);
      reveal(part);
      wait = LIVE_MS;
    } catch {
      wait = Math.min(wait * 2, LIVE_MS_MAX);
    }
    next();
  }
  function next() {
    clearTimeout(timer);
    if (!part.hasAttribute("data-live-end")) timer = setTimeout(ask, wait);
  }
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !part.hasAttribute("data-live-end")) {
      clearTimeout(timer);
      ask();
    }
  });
  next();
}

/** Shows the buttons that only a script can serve. */
function reveal(within) {
  if (window.PublicKeyCredential) within.querySelectorAll("[data-passkeys]").forEach((part) => (part.hidden = false));
  if (navigator.clipboard) within.querySelectorAll("button[data-copy]").forEach((button) => (button.hidden = false));
}

/** Tells who listens to the page. */
function say(text) {
  const status = document.createElement("p");
  status.className = "unseen";
  status.setAttribute("role", "status");
  document.body.append(status);
  setTimeout(() => (status.textContent = text), 100);
  setTimeout(() => status.remove(), 5000);
}

async function copy(button) {
  const text = button.textContent;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = button.dataset.copied;
  say(button.dataset.copied);
  setTimeout(() => (button.textContent = text), 2000);
}

/** The rows at the beginning of a CSV text (RFC 4180). What is cut off is none. */
function rows(text, delimiter, whole) {
  const all = [];
  let row = [];
  let field = "";
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (quoted) {
      if (sign !== '"') field += sign;
      else if (text[at + 1] === '"') field += text[++at];
      else quoted = false;
    } else if (sign === '"' && field === "") quoted = true;
    else if (sign === delimiter) row.push(field), (field = "");
    else if (sign === "\n" || sign === "\r") {
      if (sign === "\r" && text[at + 1] === "\n") at++;
      row.push(field);
      all.push(row);
      [row, field] = [[], ""];
    } else field += sign;
  }
  if (whole && (field !== "" || row.length)) all.push([...row, field]);
  return all.filter((found) => found.length > 1 || found[0] !== "");
}

/** The sign that the first line has most of. */
function delimiterOf(text) {
  const line = text.split(/[\r\n]/, 1)[0].replace(/"[^"]*"/g, "");
  const count = (sign) => line.split(sign).length;
  return ["\t", ";", ",", "|"].reduce((best, sign) => (count(sign) > count(best) ? sign : best), ",");
}

/** Shows how a file would be read. It is read here, in the browser, and goes nowhere. */
function csvPreview(part) {
  const form = part.closest("form");
  const file = form.querySelector("input[type=file]");
  const value = (name, fallback) => form.elements.namedItem(name)?.value || fallback;
  async function show() {
    const chosen = file.files[0];
    part.replaceChildren();
    if (!chosen) return;
    let text;
    try {
      const bytes = await chosen.slice(0, PREVIEW_BYTES).arrayBuffer();
      text = new TextDecoder(value("charset", "utf-8"), { fatal: true }).decode(bytes, { stream: true });
    } catch {
      part.textContent = part.dataset.unreadable;
      return;
    }
    const named = { tab: "\t", comma: ",", semicolon: ";", pipe: "|" };
    const found = rows(text, named[value("delimiter")] ?? delimiterOf(text), chosen.size <= PREVIEW_BYTES);
    part.append(table(found, value("header", "true") === "true", part.dataset.caption));
  }
  form.addEventListener("change", show);
  file.removeAttribute("name");
}

function table(found, header, name) {
  const make = (tag, parent, text) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    parent?.append(element);
    return element;
  };
  const scroll = make("div");
  scroll.className = "scroll";
  Object.entries({ role: "region", tabindex: "0", "aria-label": name }).forEach(([key, value]) => scroll.setAttribute(key, value));
  const whole = make("table", scroll);
  make("caption", whole, name);
  const columns = Math.max(0, ...found.map((row) => row.length));
  const heads = header ? found.shift() ?? [] : [];
  const head = make("tr", make("thead", whole));
  for (let at = 0; at < columns; at++) make("th", head, heads[at] || String(at + 1)).scope = "col";
  const body = make("tbody", whole);
  for (const row of found.slice(0, PREVIEW_ROWS)) {
    const line = make("tr", body);
    for (let at = 0; at < columns; at++) make("td", line, row[at] ?? "");
  }
  return scroll;
}

/** A form goes once, however often its button is pressed. */
function sent(event) {
  const form = event.target;
  // It leads to a download, as often as one likes.
  if ("download" in form.dataset) return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "1";
  // Only now: a disabled button's value would not go with the form.
  setTimeout(() => buttons(form).forEach((button) => (button.disabled = true)));
  setTimeout(() => again(form), SENT_MS);
}

function again(form) {
  delete form.dataset.sent;
  buttons(form).forEach((button) => (button.disabled = false));
}

function buttons(form) {
  return [...form.querySelectorAll("button[type=submit]")];
}

document.addEventListener("submit", sent);
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) copy(button);
  document.querySelectorAll("details.account[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelectorAll("details.account[open]").forEach((menu) => {
    menu.open = false;
    menu.querySelector("summary").focus();
  });
});
// The browser's way back shows a page as it was left.
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(again));

reveal(document);
document.querySelectorAll("[data-live]").forEach(live);
document.querySelectorAll("[data-csv-preview]").forEach(csvPreview);
document.querySelector("[data-focus]")?.focus();
