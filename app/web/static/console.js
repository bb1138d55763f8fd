/* Tocsin's console: keyboard, ticking times, live refresh, theme. Every page works without it. */
(() => {
  "use strict";
  const $ = (what, from = document) => from.querySelector(what);
  const $$ = (what, from = document) => [...from.querySelectorAll(what)];
  const skew = () => Date.parse(document.body.dataset.now) - born;
  const born = Date.now();

  // Times: the same words as `length` of app/units.py.
  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const length = (seconds) => {
    let left = Math.floor(Math.abs(seconds));
    for (let i = 0; i < UNITS.length; i++) {
      const [size, unit] = UNITS[i];
      if (left < size) continue;
      const count = Math.floor(left / size), small = UNITS[i + 1];
      const lower = small && !(small[1] === "s" && count >= 10) ? Math.floor((left % size) / small[0]) : 0;
      return lower ? `${count} ${unit} ${lower} ${small[1]}` : `${count} ${unit}`;
    }
    return "0 s";
  };
  const offset = skew();
  const tick = () => {
    const now = Date.now() + offset;
    for (const time of $$("time[data-tick]")) {
      const past = (now - Date.parse(time.dateTime)) / 1000, kind = time.dataset.tick;
      const text = kind === "age" ? length(past) : kind === "ago" ? `${length(past)} ago` : past < 0 ? `in ${length(past)}` : "now";
      if (time.textContent !== text) time.textContent = text;
    }
  };
  setInterval(tick, 1000);

  // Live: one stream per visible page; a hidden one hangs up, since browsers allow only six streams a host.
  // What is said of one part comes together, and no part is asked for more often than every PAUSE; what it shows of a slow noun, SLOW.
  const NOUNS = ["incidents", "pages", "checks", "config"], PAUSE = 2000, SLOW = 10000;
  let stream = null;
  const refresh = (part, pause) => {
    const at = Math.max((part.asked || 0) + pause, Date.now() + 120);
    if (part.due && part.due <= at) return;
    clearTimeout(part.timer);
    part.due = at;
    part.timer = setTimeout(() => {
      part.due = 0;
      part.asked = Date.now();
      if (part.isConnected) htmx.trigger(part, "live");
    }, at - Date.now());
  };
  const say = (noun) => {
    for (const part of $$(`[data-live~=${noun}]`)) refresh(part, part.matches(`[data-slow~=${noun}]`) ? SLOW : PAUSE);
  };
  const listen = () => {
    if (stream || document.hidden || !$("[data-live]")) return;
    let lost = false;
    stream = new EventSource(`/live?since=${encodeURIComponent(document.body.dataset.now)}`);
    for (const noun of NOUNS) stream.addEventListener(noun, () => say(noun));
    stream.onopen = () => {
      $("#offline").hidden = true;
      if (lost) NOUNS.forEach(say);
      lost = false;
    };
    stream.onerror = () => {
      lost = true;
      setTimeout(() => { if (lost) $("#offline").hidden = false; }, 3000);
      if (stream && stream.readyState === EventSource.CLOSED) { stream = null; setTimeout(listen, 5000); }
    };
  };
  const hang = () => { if (stream) { stream.close(); stream = null; } };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return hang();
    listen();
    NOUNS.forEach(say);
  });
  addEventListener("pagehide", hang);

  // What the page says now, by the tag of its last answer: the same again is not sent (204), and the page stays untouched.
  let tag = document.body.dataset.tag ? `"${document.body.dataset.tag}"` : null;
  document.addEventListener("htmx:beforeOnLoad", (event) => { tag = event.detail.xhr.getResponseHeader("ETag") || tag; });
  document.addEventListener("htmx:configRequest", (event) => {
    if (tag && event.target.matches("[data-live]")) event.detail.headers["If-None-Match"] = tag;
  });

  // What a refresh must not close: opened details, and what is focused is htmx's own care (by id).
  let opened = [], picked = new Set(), focused = null;
  // Without an id: the same link or button of what comes instead; of a button that is gone, its neighbour in the same form.
  const looks = (one) => [one.tagName, one.getAttribute("href") || one.getAttribute("formaction") || one.name, one.textContent.trim()].join();
  const refocus = () => {
    if (!focused || (document.activeElement && document.activeElement !== document.body)) return;
    const { id, look, form } = focused, same = $$("a, button, summary", $("#main")).find((one) => looks(one) === look);
    const next = (id && document.getElementById(id)) || same || (form && $(`form.${form} button`)) || $("#main");
    next.focus({ preventScroll: true });
  };
  document.addEventListener("htmx:beforeSwap", () => {
    const at = document.activeElement, form = at && at.closest("form[class]");
    focused = at && at !== document.body ? { id: at.id, look: looks(at), form: form && form.classList[0] } : null;
    opened = $$("details[open][id]").map((one) => one.id);
    picked = new Set($$("[data-pick]:checked").map((one) => one.value));
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    // A refresh waits while a menu is open inside what it would replace, or a graph is read.
    if (!event.target.matches("[data-live]")) return;
    if (all && event.target.matches("[data-live~=incidents]")) { all = false; return; }
    if (!($("#live details.pop[open]") || reading())) return;
    event.preventDefault();
    refresh(event.target, PAUSE);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "live") {
      opened.forEach((id) => { const one = document.getElementById(id); if (one) one.open = true; });
      for (const one of $$("[data-pick]")) one.checked = picked.has(one.value);
    }
    readable();
    refocus();
    ready();
  });
  document.addEventListener("htmx:sendError", () => { $("#offline").hidden = false; });
  document.addEventListener("htmx:afterOnLoad", () => { $("#offline").hidden = true; });

  // "2 new, show": the only thing that lets rows move. It queues behind a refresh under way, so the newest answer wins.
  let all = false;
  document.addEventListener("htmx:configRequest", (event) => {
    if (all && event.target.matches("[data-live~=incidents]")) {
      for (const name of ["known", "seen", "since", "following"]) delete event.detail.parameters[name];
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-show]")) {
      event.preventDefault();
      all = true;
      htmx.trigger($("[data-live~=incidents]"), "live");
    }
    for (const one of $$("details.menu[open], details.pop[open]")) if (!one.contains(event.target)) one.open = false;
    if (event.target.closest("[data-help]")) $("#help").showModal();
  });

  // Selection: a tick, a range with Shift, and how many there are.
  let lastPick = null;
  const counted = () => {
    const count = $$("[data-pick]:checked").length;
    for (const one of $$("[data-picked]")) one.textContent = count ? `${count} selected:` : "Selected:";
  };
  const pickAll = (wanted) => {
    for (const one of $$("[data-pick]")) one.checked = wanted;
    counted();
  };
  document.addEventListener("click", (event) => {
    const every = event.target.closest("[data-pick-all]");
    if (every || event.target.closest("[data-unpick]")) return pickAll(Boolean(every));
    const box = event.target.closest("[data-pick]");
    if (!box) return;
    const all = $$("[data-pick]"), from = all.indexOf(lastPick), to = all.indexOf(box);
    if (event.shiftKey && from >= 0) for (const one of all.slice(Math.min(from, to), Math.max(from, to) + 1)) one.checked = box.checked;
    lastPick = box;
    counted();
  });
  const announce = () => {
    const said = (news) => { const copy = news.cloneNode(true); $$("u", copy).forEach((one) => one.remove()); return copy.textContent.trim(); };
    const text = $$(".news").map(said).filter(Boolean).join(". ");
    if ($("#announce") && $("#announce").textContent !== text) $("#announce").textContent = text;
  };

  // Graphs: time and value of the nearest point under the pointer, or by the arrow keys: a slider that only reads.
  // The numbers are those of the table below the graph; its rows come newest first.
  let readAt = 0;
  const reads = new Map();
  const points = (graph) => $$(`#${graph.dataset.read} tbody tr`).reverse();
  const reading = () => Date.now() - readAt < 5000;
  const unread = (graph) => $$(".hair, .dot, .tip", graph).forEach((one) => one.remove());
  const make = (kind, graph) => { const one = document.createElement("span"); one.className = kind; one.ariaHidden = "true"; graph.append(one); return one; };
  const read = (graph, place) => {
    const rows = points(graph), row = rows[Math.min(Math.max(place, 0), rows.length - 1)];
    if (!row) return;
    const at = rows.indexOf(row), names = $$("thead th", row.closest("table")).slice(1), cells = $$("td", row);
    const lines = cells.slice(1).map((cell, i) => (names.length > 1 ? `${names[i].textContent.trim()}: ` : "") + cell.textContent.trim());
    const x = row.dataset.x / 10, time = cells[0].textContent.trim();
    readAt = Date.now();
    reads.set(graph.id, at);
    unread(graph);
    make("hair", graph).style.left = `${x}%`;
    for (const cell of cells.slice(1)) {
      if (!cell.dataset.y) continue;
      const dot = make("dot", graph);
      dot.style.left = `${x}%`;
      dot.style.top = `${cell.dataset.y * 1.5}px`;
    }
    const tip = make("tip", graph);
    const head = document.createElement("b");
    head.textContent = time;
    tip.append(head, ...lines.flatMap((line, i) => (i ? [document.createElement("br"), line] : [line])));
    const room = graph.clientWidth - tip.offsetWidth, left = (graph.clientWidth * x) / 100;
    tip.style.left = `${Math.max(0, Math.min(left > graph.clientWidth / 2 ? left - tip.offsetWidth - 12 : left + 12, room))}px`;
    graph.setAttribute("aria-valuenow", at);
    graph.setAttribute("aria-valuetext", `${time}: ${lines.join(", ")}`);
  };
  const nearest = (graph, event) => {
    const box = graph.getBoundingClientRect(), x = (1000 * (event.clientX - box.left)) / box.width;
    const away = points(graph).map((row) => Math.abs(row.dataset.x - x));
    return away.indexOf(Math.min(...away));
  };
  const readable = () => {
    for (const graph of $$("[data-read]:not([role])")) {
      const last = points(graph).length - 1;
      const own = { role: "slider", tabindex: 0, "aria-label": graph.dataset.label, "aria-readonly": "true", "aria-orientation": "horizontal", "aria-valuemin": 0, "aria-valuemax": last, "aria-valuenow": last };
      for (const [name, value] of Object.entries(own)) graph.setAttribute(name, value);
      graph.setAttribute("aria-valuetext", "use the arrow keys to read the values");
    }
  };
  for (const kind of ["pointermove", "pointerdown"]) {
    document.addEventListener(kind, (event) => {
      const graph = event.target.closest && event.target.closest("[data-read]");
      for (const other of $$(".read:has(.tip)")) if (other !== graph && other !== document.activeElement) unread(other);
      if (graph) read(graph, nearest(graph, event));
    });
  }
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-read]") && event.target.matches(":focus-visible")) read(event.target, reads.has(event.target.id) ? reads.get(event.target.id) : Infinity);
  });
  document.addEventListener("focusout", (event) => { if (event.target.matches("[data-read]")) unread(event.target); });
  const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches("[data-read]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return unread(event.target);
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    const at = reads.has(event.target.id) ? reads.get(event.target.id) : points(event.target).length - 1;
    read(event.target, at + STEPS[event.key]);
  });

  // Keyboard.
  const rows = () => $$("[data-row]");
  const current = () => { const at = document.activeElement; return at && at.closest("[data-row]"); };
  const move = (by) => {
    const list = rows();
    if (!list.length) return;
    const at = list.indexOf(current());
    const row = list[at < 0 ? (by > 0 ? 0 : list.length - 1) : Math.min(Math.max(at + by, 0), list.length - 1)];
    const link = $("a.cover", row);
    if (link) { link.focus({ preventScroll: true }); row.scrollIntoView({ block: "nearest" }); }
  };
  const act = (key) => {
    const many = $("[data-pick]:checked") && $(`[data-bulk="${key}"]`);
    if (many) return many.click();
    const row = current() || (rows().length === 1 ? rows()[0] : null), found = $(`[data-key="${key}"]`, row || $("#main"));
    if (!row && rows().length > 1) return;
    if (!found && row && key !== "n") { const link = $("a.cover", row); if (link && key === "s") location.href = `${link.href}#snooze`; return; }
    if (!found) return;
    if (found.tagName === "TEXTAREA") return found.focus();
    if (found.tagName === "SUMMARY") { found.parentElement.open = true; return $("button", found.parentElement).focus(); }
    found.click();
  };
  const PLACES = { h: "/", i: "/incidents", c: "/checks", o: "/oncall", m: "/me", r: "/rules" };
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("textarea")) return event.target.form.requestSubmit();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      if (!$("details.menu[open], details.pop[open]") && !event.target.matches("input:not([type=checkbox]), textarea")) pickAll(false);
      for (const one of $$("details.menu[open], details.pop[open]")) { one.open = false; $("summary", one).focus(); }
      if (event.target.matches("input, textarea")) event.target.blur();
      return;
    }
    if (event.target.matches("input:not([type=checkbox]), textarea, select") || $("dialog[open]")) return;
    if (going > Date.now() && PLACES[event.key]) { location.href = PLACES[event.key]; return; }
    going = event.key === "g" ? Date.now() + 1200 : 0;
    if (event.key === "j" || event.key === "k") move(event.key === "j" ? 1 : -1);
    else if ("arsen".includes(event.key)) act(event.key);
    else if (event.key === "x") { const row = current(), box = row && $("[data-pick]", row); if (box) box.click(); }
    else if (event.key === "/") { const box = $("#find"); if (box && box.offsetParent) box.focus(); else location.href = "/search"; }
    else if (event.key === "?") $("#help").showModal();
    else return;
    event.preventDefault();
  });

  // A session that has expired: what was typed is kept in this tab, and is back after the login.
  const DRAFT = "tocsin.draft";
  const written = () => $$("main textarea, main input:not([type=hidden]):not([type=checkbox]):not([type=password])").filter((one) => one.name && one.value && one.value !== one.defaultValue);
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.detail.xhr.status !== 401) return;
    const fields = written().map((one) => [one.form ? one.form.getAttribute("action") : "", one.name, one.value]);
    if (fields.length) sessionStorage.setItem(DRAFT, JSON.stringify({ page: location.pathname, fields }));
  });
  const restore = () => {
    let draft = null;
    try { draft = JSON.parse(sessionStorage.getItem(DRAFT)); } catch { /* not ours */ }
    if (!draft || draft.page !== location.pathname) return;
    sessionStorage.removeItem(DRAFT);
    for (const [action, name, value] of draft.fields) {
      const field = $$("main [name]").find((one) => one.name === name && one.form && one.form.getAttribute("action") === action);
      if (field) field.value = value;
    }
  };

  // Theme: the form works alone; here it needs no round trip.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-themes]") || !event.submitter) return;
    event.preventDefault();
    const wanted = event.submitter.value, root = document.documentElement;
    if (wanted) root.dataset.theme = wanted; else delete root.dataset.theme;
    document.cookie = `tocsin_theme=${wanted}; path=/; max-age=${wanted ? 31536000 : 0}; samesite=lax`;
    for (const one of $$("button", event.target)) one.toggleAttribute("aria-pressed", one.value === wanted);
  });

  // Ticked boxes of runbooks stay in this browser.
  document.addEventListener("change", (event) => {
    const book = event.target.closest("[data-ticks]");
    if (book && event.target.type === "checkbox") {
      localStorage.setItem(`ticks.${book.dataset.ticks}`, JSON.stringify($$("input[type=checkbox]", book).map((one) => one.checked)));
    }
  });
  const ready = () => {
    tick();
    readable();
    counted();
    announce();
    for (const book of $$("[data-ticks]")) {
      let kept = [];
      try { kept = JSON.parse(localStorage.getItem(`ticks.${book.dataset.ticks}`)) || []; } catch { /* not ours */ }
      $$("input[type=checkbox]", book).forEach((one, i) => { if (i in kept) one.checked = kept[i]; });
    }
    for (const toast of $$("#toasts .toast:not([data-seen])")) {
      toast.dataset.seen = "";
      const leave = () => { if (toast.matches(":hover, :focus-within")) setTimeout(leave, 2000); else toast.remove(); };
      if (!toast.matches(".wrong")) setTimeout(leave, 12000);
    }
    for (const form of $$("form.filter")) $$("select", form).forEach((one) => { one.onchange = () => form.requestSubmit(); });
  };
  ready();
  restore();
  listen();
  if (location.hash === "#snooze" && $("#snooze")) $("#snooze").open = true;
})();
