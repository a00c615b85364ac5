// The sandbox page: asks twice a second what is new, and shows it. All text from outside goes in as text, never as markup.

const POLL = 500;
const APART = 5 * 60;
const OPTION = /^\s*(\d{1,2})\. (.+)$/;
const SEVERAL = /选几个|或几个|多选|「1 3/;
const FOOT = /^（(.*)）$/;
const WAYS_OUT = ["返回", "取消"];
const NARROW = matchMedia("(max-width: 720px)");

const page = document.documentElement;
const find = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function make(tag, classes = "", ...inside) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  element.append(...inside);
  return element;
}

function icon(viewBox, path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", viewBox);
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

async function post(action, body = {}) {
  try {
    const answer = await fetch(`/sandbox/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const { message } = answer.ok ? await answer.json() : { message: "这一下没有成功，请再试一次" };
    if (message) toast(message);
  } catch {
    toast("演示程序没有回应，它可能已经退出");
  }
  poke();
}

let toasting;
function toast(message) {
  const box = find("#toast");
  box.textContent = message;
  box.classList.add("shown");
  clearTimeout(toasting);
  toasting = setTimeout(() => box.classList.remove("shown"), 2600);
}

// Text with links: <a href="…">…</a>, bare addresses, and WeChat's own links that speak for the person.

const LINK = /<a\s+[^>]*?href=["']([^"']*)["'][^>]*>([\s\S]*?)<\/a>|https?:\/\/[^\s<>"'，。；！？）】」]+/gi;

function fill(element, text, say) {
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    element.append(text.slice(at, match.index));
    at = match.index + match[0].length;
    element.append(link(match[1] ?? match[0], match[2] ?? match[0], say));
  }
  element.append(text.slice(at));
}

function link(address, caption, say) {
  if (/^https?:\/\//i.test(address)) {
    const anchor = make("a", "", caption);
    anchor.href = address;
    anchor.target = "_blank";
    anchor.rel = "noopener noreferrer";
    return anchor;
  }
  if (address.startsWith("weixin://bizmsgmenu?")) {
    const query = new URLSearchParams(address.slice(address.indexOf("?")));
    const button = make("button", "inline", caption);
    button.type = "button";
    button.addEventListener("click", () => say(query.get("msgmenucontent") ?? "", query.get("msgmenuid") ?? "1"));
    return button;
  }
  return document.createTextNode(caption);
}

// One phone.

class Phone {
  constructor(seat) {
    this.seat = seat;
    this.key = seat.dataset.phone;
    this.channel = seat.dataset.channel;
    this.chat = find(".chat", seat);
    this.choices = find(".choices", seat);
    this.field = find("textarea", seat);
    this.person = find(`.person[data-phone="${this.key}"]`);
    this.face = find(".caption .face", seat);
    this.lines = new Map();
    this.lastAt = 0;
    this.unread = 0;
    this.visible = false;
    this.showHints();
    this.down = true;
    this.chat.addEventListener("scroll", () => {
      this.down = this.chat.scrollHeight - this.chat.scrollTop - this.chat.clientHeight < 60;
    });
    new ResizeObserver(() => this.down && this.keepDown()).observe(this.chat);
    find("form", seat).addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.submit();
      }
    });
    const more = find(".more", seat);
    const pop = find(".pop", seat);
    const close = () => {
      pop.hidden = true;
      more.setAttribute("aria-expanded", "false");
    };
    more.addEventListener("click", (event) => {
      event.stopPropagation();
      pop.hidden = !pop.hidden;
      more.setAttribute("aria-expanded", String(!pop.hidden));
    });
    document.addEventListener("click", close);
    seat.addEventListener("keydown", (event) => event.key === "Escape" && close());
    find(".toggle-follow", seat).addEventListener("click", () => {
      close();
      post("follow", { phone: this.key, on: !this.following });
    });
  }

  submit() {
    const text = this.field.value;
    if (!text.trim()) return;
    this.field.value = "";
    this.say(text);
  }

  say(text, menuId = "") {
    this.choices.replaceChildren();
    post("say", menuId ? { phone: this.key, text, menu_id: menuId } : { phone: this.key, text });
  }

  tap(key, label, task = "") {
    post("tap", { phone: this.key, key, label, task });
  }

  show(bubble, fresh) {
    const before = this.lines.get(bubble.id);
    if (before) {
      if (bubble.form === "template_card") this.redraw(before, bubble);
      else this.progress(before, bubble);
      return;
    }
    find(".empty", this.chat)?.remove();
    if (bubble.at - this.lastAt > APART) this.chat.append(make("p", "when", bubble.when));
    this.lastAt = bubble.at;
    const line = this.draw(bubble);
    this.lines.set(bubble.id, line);
    this.chat.append(line);
    this.progress(line, bubble);
    if (bubble.side === "me" || !fresh) this.down = true;
    if (this.down) this.keepDown();
    if (bubble.side === "bot" && fresh) this.knock(bubble.push);
    this.ask(bubble);
    if (this.down) this.keepDown();
  }

  // A card that was changed stays where it stands.
  redraw(before, bubble) {
    const card = this.draw(bubble);
    card.classList.add("changed");
    before.replaceWith(card);
    this.lines.set(bubble.id, card);
  }

  draw(bubble) {
    if (bubble.side === "notice") return make("p", `note ${bubble.form}`, bubble.text);
    if (["template", "template_card", "textcard"].includes(bubble.form)) return this.drawCard(bubble);
    const mine = bubble.side === "me";
    const text = make("div", "bubble");
    fill(text, bubble.text, (content, id) => this.say(content, id));
    if (bubble.form === "msgmenu") {
      const items = bubble.items.map(([id, caption]) => this.item(caption, () => this.say(caption, id)));
      text.append(make("div", "items", ...items));
      if (bubble.title) text.append(make("div", "tail", bubble.title));
    }
    const said = make("div", "said");
    if (bubble.push) said.append(pushTag());
    said.append(text);
    const classes = ["line", mine && "mine", bubble.push && "pushed", bubble.form === "tap" && "tapped"];
    return make("div", classes.filter(Boolean).join(" "), this.picture(mine), said);
  }

  drawCard(bubble) {
    const card = make("article", "card", make("header", "", make("b", "", bubble.title || "通知"), pushTag()));
    if (bubble.text) {
      const text = make("p");
      fill(text, bubble.text, (content, id) => this.say(content, id));
      card.append(text);
    }
    if (bubble.rows.length) {
      card.append(make("dl", "", ...bubble.rows.flatMap(([label, value]) => [make("dt", "", label), make("dd", "", value)])));
    }
    const foot = bubble.replaced
      ? [this.settled(bubble.replaced)]
      : bubble.items.map(([key, label]) => this.item(label, () => this.tap(key, label, bubble.task)));
    if (bubble.link) foot.unshift(link(bubble.link, "查看详情"));
    if (foot.length) card.append(make("footer", "", ...foot));
    return card;
  }

  settled(caption) {
    const button = make("button", "inline", caption);
    button.type = "button";
    button.disabled = true;
    return button;
  }

  item(caption, act) {
    const button = make("button", "inline", caption);
    button.type = "button";
    button.addEventListener("click", act);
    return button;
  }

  picture(mine) {
    const picture = make("div", "pic");
    picture.setAttribute("aria-hidden", "true");
    if (mine) {
      picture.classList.add(...[...this.face.classList].filter((name) => name.startsWith("face-")));
      picture.append(this.face.textContent);
    } else {
      const image = make("img");
      image.src = "/sandbox/static/bridge.svg";
      image.alt = "";
      picture.append(image);
    }
    return picture;
  }

  progress(line, bubble) {
    if (bubble.side !== "me") return;
    find(".progress", line)?.remove();
    line.classList.toggle("failed", bubble.state === "failed");
    const words = { sending: "发送中", repeating: `平台第 ${bubble.attempt} 次投递`, failed: "没有回应" }[bubble.state];
    if (words) find(".said", line).append(make("div", bubble.state === "sending" ? "progress late" : "progress", words));
  }

  knock(push) {
    if (push) {
      this.seat.classList.remove("knock");
      void this.seat.offsetWidth;
      this.seat.classList.add("knock");
    }
    if (!this.visible) {
      this.unread += 1;
      this.badge();
    }
  }

  badge() {
    const badge = find(".unread", this.person);
    badge.hidden = this.unread === 0;
    badge.textContent = String(this.unread);
    badge.setAttribute("aria-label", `${this.unread} 条新消息`);
  }

  seen(visible) {
    this.visible = visible;
    if (visible && this.unread) {
      this.unread = 0;
      this.badge();
    }
  }

  // What can be tapped: the options of the last reply. A push asks nothing and leaves an open question as it is.
  ask(bubble) {
    if (bubble.side === "me") {
      this.choices.replaceChildren();
      return;
    }
    if (bubble.side === "notice") {
      if (bubble.form === "fault") this.showHints();
      return;
    }
    if (bubble.push) return;
    const lines = bubble.text.split("\n");
    const options = lines.map((line) => OPTION.exec(line)).filter(Boolean);
    const foot = lines.map((line) => FOOT.exec(line.trim())?.[1] ?? "").join(" · ").split(/\s*·\s*/);
    const ways = WAYS_OUT.filter((word) => foot.includes(word)).map((word) => this.hint(word));
    if (options.length && SEVERAL.test(bubble.text)) this.showSeveral(options, ways);
    else if (options.length || ways.length) {
      const chips = options.map(([, number, label]) => this.chip(number, label, (event) => this.answer(number, event)));
      this.choices.replaceChildren(...chips, ...ways);
    } else this.showHints();
  }

  showSeveral(options, ways) {
    const chosen = new Set();
    const send = make("button", "chip send", "选好了");
    send.type = "button";
    send.disabled = true;
    send.addEventListener("click", (event) => this.answer([...chosen].sort((a, b) => a - b).join(" "), event));
    const chips = options.map(([, number, label]) => {
      const chip = this.chip(number, label, () => {
        const on = !chosen.delete(number);
        if (on) chosen.add(number);
        chip.setAttribute("aria-pressed", String(on));
        send.disabled = chosen.size === 0;
      });
      chip.setAttribute("aria-pressed", "false");
      return chip;
    });
    this.choices.replaceChildren(...chips, send, ...ways);
  }

  showHints() {
    const hints = this.choices.dataset.hints.split("|").filter(Boolean);
    this.choices.replaceChildren(...hints.map((word) => this.hint(word)));
  }

  hint(word) {
    const chip = make("button", "chip hint", word);
    chip.type = "button";
    chip.addEventListener("click", (event) => this.answer(word, event));
    return chip;
  }

  chip(number, label, act) {
    const chip = make("button", "chip", make("i", "", number), label);
    chip.type = "button";
    chip.addEventListener("click", act);
    return chip;
  }

  answer(text, event) {
    if (event.detail === 0) this.field.focus({ preventScroll: true });
    this.say(text);
  }

  keepDown() {
    if (this.lines.size) this.chat.scrollTop = this.chat.scrollHeight;
  }

  showMenu(buttons) {
    const shown = JSON.stringify(buttons);
    if (shown === this.menuShown) return;
    this.menuShown = shown;
    const bar = find(".menu", this.seat);
    bar.hidden = buttons.length === 0;
    bar.replaceChildren(...buttons.map((button) => this.menuButton(button)));
  }

  menuButton(button) {
    const holder = make("div");
    const act = (entry) => {
      if (entry.type === "view" && entry.url) window.open(entry.url, "_blank", "noopener");
      else if (entry.key) this.tap(entry.key, entry.name);
    };
    const subs = Array.isArray(button.sub_button) ? button.sub_button : [];
    const sub = make("div", "sub", ...subs.map((entry) => this.item(entry.name, () => { sub.hidden = true; act(entry); })));
    sub.hidden = true;
    holder.append(this.item(button.name, () => (subs.length ? (sub.hidden = !sub.hidden) : act(button))));
    if (subs.length) holder.append(sub);
    return holder;
  }
}

function pushTag() {
  const bell = icon("0 0 16 16", "M8 1.5a4 4 0 0 0-4 4v2.7L2.8 11v1h10.4v-1L12 8.2V5.5a4 4 0 0 0-4-4zM6.5 13a1.5 1.5 0 0 0 3 0z");
  return make("span", "push-tag", bell, "推送");
}

// The page around the phones.

const phones = new Map(all(".seat").map((seat) => [seat.dataset.phone, new Phone(seat)]));

function choose(key, { scroll = true } = {}) {
  for (const phone of phones.values()) {
    const current = phone.key === key;
    phone.seat.classList.toggle("current", current);
    phone.person.setAttribute("aria-current", String(current));
    if (NARROW.matches) phone.seen(current);
  }
  const phone = phones.get(key);
  if (NARROW.matches) {
    phone.chat.scrollTop = phone.chat.scrollHeight;
    phone.person.scrollIntoView({ inline: "center", block: "nearest" });
  } else if (scroll) phone.seat.scrollIntoView({ behavior: "smooth", inline: "center", block: "nearest" });
}

for (const button of all(".person")) button.addEventListener("click", () => choose(button.dataset.phone));

const watch = new IntersectionObserver(
  (entries) => {
    if (NARROW.matches) return;
    for (const entry of entries) phones.get(entry.target.dataset.phone).seen(entry.intersectionRatio > 0.6);
  },
  { root: find("#stage"), threshold: [0, 0.6, 1] },
);
for (const phone of phones.values()) watch.observe(phone.seat);
for (const phone of phones.values()) phone.seat.addEventListener("focusin", () => choose(phone.key, { scroll: false }));
NARROW.addEventListener("change", () => choose(find(".seat.current").dataset.phone));

const power = find("#power");
const forward = find("#forward");
let busy = false;

power.addEventListener("click", async () => {
  power.disabled = true;
  await post(power.dataset.action);
});

forward.addEventListener("click", async () => {
  busy = true;
  forward.disabled = true;
  forward.classList.add("busy");
  await post("forward");
  busy = false;
  forward.classList.remove("busy");
});

function write(selector, text) {
  const element = find(selector);
  if (element.textContent !== text) element.textContent = text;
}

let clockBefore = 0;
function showClock({ time, day, now }) {
  write("#clock-time", time);
  write("#clock-day", day);
  for (const element of all(".status-time")) if (element.textContent !== time) element.textContent = time;
  if (clockBefore && now - clockBefore > 60) {
    const clock = find("#clock");
    clock.classList.add("moved");
    setTimeout(() => clock.classList.remove("moved"), 400);
  }
  clockBefore = now;
}

function showBot({ state, word }) {
  find("#bot-dot").dataset.state = state;
  write("#bot-word", word);
  const alive = state === "running" || state === "starting";
  power.dataset.action = alive ? "kill" : "start";
  power.classList.toggle("start", !alive);
  power.disabled = false;
  write("#power", alive ? "停掉机器人" : "重新启动");
}

function showNext(next) {
  write("#next", busy ? "正在快进…" : next ? `${next.when} · ${next.span}` : "接下来没有安排好的事");
  forward.disabled = busy || !next;
}

const COUNTED = [
  ["等着", ["queued", "carried"]],
  ["等人放行", ["held"]],
  ["发送中", ["sending"]],
  ["已发出", ["accepted", "delivered"]],
  ["不确定", ["uncertain"]],
  ["没送到", ["exhausted"]],
];

// One push: a line of the table, and below it, when it is opened, its life.

class Push {
  constructor(id) {
    this.id = id;
    this.open = false;
    this.opener = make("button", "opener");
    this.opener.type = "button";
    this.opener.setAttribute("aria-expanded", "false");
    this.opener.setAttribute("aria-controls", `life-${id}`);
    this.line = make("tr", "push");
    this.line.addEventListener("click", () => this.toggle());
    this.life = make("div", "life");
    this.life.id = `life-${id}`;
    const cell = make("td", "", this.life);
    cell.colSpan = 6;
    this.detail = make("tr", "detail", cell);
    this.detail.hidden = true;
  }

  toggle() {
    this.open = !this.open;
    this.opener.setAttribute("aria-expanded", String(this.open));
    this.line.classList.toggle("open", this.open);
    this.detail.hidden = !this.open;
    if (this.open) {
      if (!this.lifeShown) this.life.replaceChildren(make("p", "ending", "正在翻开…"));
      poke();
      this.detail.scrollIntoView({ block: "nearest" });
    }
  }

  show(row) {
    const now = JSON.stringify(row);
    if (now === this.shown) return;
    this.shown = now;
    const state = make("span", "state", row.word);
    state.dataset.state = row.state;
    const what = make("td", "", row.kind);
    if (row.urgent) what.append(make("span", "urgent", "紧急"));
    const how = make("td", "", state);
    const aside = [row.seen && "看过", row.reason, row.attempts > 1 && `第 ${row.attempts} 次`].filter(Boolean);
    if (aside.length) how.append(make("small", "", aside[0]));
    const focused = document.activeElement === this.opener;
    this.opener.replaceChildren(icon("0 0 12 8", "M1.5 1.5 6 6l4.5-4.5"), make("span", "", row.number));
    this.opener.setAttribute("aria-label", `编号 ${row.number}，${row.kind}，给${row.person}，${row.word}，看它的经过`);
    this.line.replaceChildren(make("td", "", this.opener), make("td", "", row.person), what, make("td", "", row.due),
      make("td", "", row.channel || "—"), how);
    if (focused) this.opener.focus({ preventScroll: true });
  }

  showLife(life) {
    const now = JSON.stringify(life);
    if (now === this.lifeShown) return;
    this.lifeShown = now;
    let day = "";
    const steps = life.steps.map(({ label, when, mark, note }) => {
      const [date, time] = when.split(" ");
      const shown = !when ? "" : date === day ? time : `${date} ${time}`;
      if (when) day = date;
      const step = make("li", "", make("b", "", label), make("time", "", shown || "\u00a0"));
      if (note) step.append(make("small", "", note));
      step.dataset.mark = mark;
      if (mark === "now") step.setAttribute("aria-current", "step");
      return step;
    });
    const parts = [make("ol", "steps", ...steps)];
    if (life.ending) parts.push(make("p", "ending", life.ending));
    if (life.attempts.length) parts.push(make("ol", "attempts", ...life.attempts.map((each, at) => attempt(each, at + 1))));
    this.life.replaceChildren(...parts);
  }
}

function attempt({ when, channel, way, code, meaning, outcome, word, took }, number) {
  const said = [meaning, code && code !== "0" && !meaning.includes(code) && code].filter(Boolean).join(" · ");
  const result = make("span", "state", word);
  result.dataset.state = { accepted: "accepted", delivered: "delivered", busy: "queued", asked: "sending" }[outcome] ?? "uncertain";
  return make("li", "", make("i", "", `第 ${number} 次`), make("time", "", when), make("span", "way", `${channel} · ${way}`),
    result, make("span", "said", said), make("span", "took", took === null ? "" : `${took} 毫秒`));
}

const pushes = new Map();
const outboxRows = find("#outbox-rows");
let outboxShown = "";

function showOutbox(rows, counts) {
  const now = JSON.stringify([rows, counts]);
  if (now === outboxShown) return;
  outboxShown = now;
  const sums = COUNTED.map(([label, states]) => [label, states.reduce((sum, state) => sum + (counts[state] ?? 0), 0)]);
  find("#outbox-counts").replaceChildren(
    ...sums.filter(([, number]) => number).map(([label, number]) => make("span", "count", `${label} ${number}`)),
  );
  const latest = rows.reduce((newest, row) => (newest && newest.id > row.id ? newest : row), null);
  write("#outbox-latest", latest ? `最近一条：${latest.kind} → ${latest.person} · ${latest.word}` : "还没有要发的消息");
  find("#outbox-empty").hidden = rows.length > 0;
  find("#outbox table").hidden = rows.length === 0;
  const there = new Set(rows.map((row) => row.id));
  for (const [id, push] of pushes) {
    if (there.has(id)) continue;
    push.line.remove();
    push.detail.remove();
    pushes.delete(id);
  }
  const focused = outboxRows.contains(document.activeElement) ? document.activeElement : null;
  let at = outboxRows.firstChild;
  for (const row of rows) {
    if (!pushes.has(row.id)) pushes.set(row.id, new Push(row.id));
    const push = pushes.get(row.id);
    push.show(row);
    if (at === push.line) at = push.detail.nextSibling;
    else {
      outboxRows.insertBefore(push.line, at);
      outboxRows.insertBefore(push.detail, at);
    }
  }
  if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

function showLives(lives) {
  for (const [id, life] of Object.entries(lives)) pushes.get(Number(id))?.showLife(life);
}

// What can be made to go wrong.

function pane(toggle, body) {
  toggle.addEventListener("click", () => {
    const open = toggle.getAttribute("aria-expanded") !== "true";
    toggle.setAttribute("aria-expanded", String(open));
    body.hidden = !open;
  });
}

const panes = [["#outbox-toggle", "#outbox-body"], ["#trouble-toggle", "#trouble"]];
for (const [toggle, body] of panes) pane(find(toggle), find(body));
find("#outbox").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const [toggle, body] of panes) {
    if (!find(body).contains(event.target) && event.target !== find(toggle)) continue;
    if (!find(body).hidden) find(toggle).click();
    find(toggle).focus();
  }
});

for (const button of all("[data-fault]")) button.addEventListener("click", () => post("fault", { name: button.dataset.fault }));
for (const line of all("[data-part]")) {
  const part = line.dataset.part;
  find(".kill", line).addEventListener("click", () => post("kill", { part }));
  find(".freeze", line)?.addEventListener("click", () => post("freeze", { part, on: line.dataset.frozen !== "true" }));
}
find("#blackout").addEventListener("click", () => post("kill"));

function showTrouble(faults, parts, bot) {
  write("#trouble-open", faults.length ? faults.join("；") : "平台一切正常");
  find("#trouble-open").classList.toggle("on", faults.length > 0);
  const frozen = parts.filter((part) => part.frozen).length;
  const lamp = find("#trouble-lamp");
  lamp.hidden = faults.length + frozen === 0;
  write("#trouble-lamp", String(faults.length + frozen));
  lamp.setAttribute("aria-label", `${faults.length + frozen} 处不顺`);
  for (const { name, word, alive, frozen: still } of parts) {
    const line = find(`[data-part="${name}"]`);
    line.dataset.frozen = String(still);
    find(".dot", line).dataset.state = still ? "starting" : alive ? "running" : "stopped";
    const how = find(".how", line);
    const said = still ? "停住不动" : alive ? "" : bot.state === "stopped" ? "没有运行" : "正在再起来";
    if (how.textContent !== said) how.textContent = said;
    find(".kill", line).disabled = !alive;
    const freeze = find(".freeze", line);
    if (!freeze) continue;
    freeze.disabled = !alive;
    const caption = still ? "解冻" : "冻住";
    if (freeze.textContent !== caption) freeze.textContent = caption;
    freeze.setAttribute("aria-label", `${caption}${word}`);
  }
  find("#blackout").disabled = bot.state === "stopped";
}

let version = 0;
let first = true;
let waiting;
let asking = false;

async function look() {
  if (asking) return;
  asking = true;
  try {
    const opened = [...pushes.values()].filter((push) => push.open).map((push) => push.id);
    const answer = await fetch(`/sandbox/state?since=${version}&opened=${opened.slice(-8).join(",")}`);
    if (!answer.ok) throw new Error(String(answer.status));
    const state = await answer.json();
    if (state.run !== page.dataset.run) return location.reload();
    for (const bubble of state.bubbles) phones.get(bubble.phone)?.show(bubble, !first);
    version = state.version;
    first = false;
    showClock(state.clock);
    showBot(state.bot);
    showNext(state.next);
    showOutbox(state.outbox, state.counts);
    showLives(state.lives);
    showTrouble(state.faults, state.parts, state.bot);
    for (const phone of phones.values()) {
      phone.following = state.following[phone.key];
      const word = phone.channel === "wecom" ? ["移出应用", "加入应用"] : ["取消关注", "关注"];
      const toggle = find(".toggle-follow", phone.seat);
      const shown = phone.following ? word[0] : word[1];
      if (toggle.textContent !== shown) toggle.textContent = shown;
      phone.showMenu(phone.following ? state.menus[phone.channel] : []);
    }
  } catch {
    find("#bot-dot").dataset.state = "stopped";
    write("#bot-word", "演示程序没有回应");
    power.disabled = forward.disabled = true;
  } finally {
    asking = false;
    clearTimeout(waiting);
    waiting = setTimeout(look, document.hidden ? 4 * POLL : POLL);
  }
}

function poke() {
  clearTimeout(waiting);
  waiting = setTimeout(look, 60);
}

choose("student", { scroll: false });
look();
